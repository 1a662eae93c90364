#include "models/allowed_operators.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace dinov3_seg {
namespace {

struct OperatorGroup {
  const char* space;
  const char* names;
};

constexpr OperatorGroup groups[] = {
    // Values, lists, dicts and texts of the interpreter.
    {"aten",
     "Bool Complex ComplexImplicit Delete Float FloatImplicit Int IntImplicit ScalarImplicit __and__ "
     "__contains__ __derive_index __getitem__ __is__ __isnot__ __not__ __or__ __range_length "
     "__round_to_zero_floordiv __xor__ _set_item abs acos acosh all any append asin asinh atan atan2 "
     "atanh ceil clear copy copysign cos cosh count degrees device dict dim element_size endswith eq "
     "erf erfc exp expm1 extend find floor fmod format ge get get_device gt hypot index insert "
     "is_autocast_enabled is_complex is_contiguous is_floating_point is_grad_enabled is_scripting "
     "is_signed isfinite isinf isnan items join keys le len lgamma list log log10 log1p log2 lower lt "
     "max min ne neg numel ord percentFormat pop pow radians remove reverse round sin sinh size split "
     "sqrt startswith storage_offset str stride strip sum tan tanh trunc upper values warn"},
    // Shapes and views.
    {"aten",
     "adjoint alias atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to "
     "cartesian_prod cat chunk clone column_stack combinations concat concatenate conj contiguous "
     "detach detach_ diag diag_embed diagonal dsplit dstack expand expand_as flatten flip fliplr "
     "flipud hsplit hstack imag lift_fresh lift_fresh_copy mT meshgrid moveaxis movedim narrow numpy_T "
     "permute ravel real repeat repeat_interleave reshape reshape_as resolve_conj resolve_neg roll "
     "rot90 select slice split_with_sizes squeeze squeeze_ stack swapaxes swapdims t t_ tensor_split "
     "tile transpose transpose_ tril tril_ tril_indices triu triu_ triu_indices unbind unflatten "
     "unfold unsqueeze unsqueeze_ view view_as view_as_complex view_as_real vsplit vstack"},
    // New tensors.
    {"aten",
     "_shape_as_tensor arange as_tensor bernoulli bernoulli_ blackman_window copy_ cpu cuda empty "
     "empty_like eye fill fill_ fill_diagonal_ full full_like hamming_window hann_window linspace "
     "logspace multinomial new_empty new_full new_ones new_zeros normal normal_ ones ones_like rand "
     "rand_like randint randn randn_like random randperm range resize scalar_tensor tensor to type_as "
     "uniform uniform_ vander zero zero_ zeros zeros_like"},
    // Arithmetic.
    {"aten",
     "__lshift__ __rshift__ abs_ absolute add add_ addcdiv addcdiv_ addcmul addcmul_ allclose angle "
     "arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_not bitwise_or "
     "bitwise_xor ceil_ clamp clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ complex cos_ "
     "deg2rad digamma dist div div_ divide divmod eq_ equal erfinv exp2 exp_ fabs fix float_power "
     "floor_ floor_divide floordiv fmax fmin frac gcd ge_ greater greater_equal gt_ heaviside igamma "
     "igammac isclose isneginf isposinf isreal lcm ldexp le_ lerp lerp_ less less_equal log1p_ log2_ "
     "log_ logaddexp logaddexp2 logical_and logical_and_ logical_not logical_not_ logical_or "
     "logical_or_ logical_xor logit lt_ maximum minimum mul mul_ multiply mvlgamma nan_to_num "
     "nan_to_num_ ne_ neg_ negative nextafter not_equal polar polygamma positive pow_ rad2deg "
     "reciprocal reciprocal_ remainder remainder_ round_ rsqrt rsqrt_ rsub sgn sign signbit sin_ sinc "
     "special_expit special_logit sqrt_ square square_ sub sub_ subtract tan_ tanh_ true_divide trunc_ "
     "where xlogy"},
    // Sums, order and lookup.
    {"aten",
     "_unique2 amax amin aminmax argmax argmin argsort argwhere bincount bucketize corrcoef "
     "count_nonzero cov cummax cummin cumprod cumsum cumsum_ diff embedding embedding_bag "
     "frobenius_norm gather gradient histc index_add index_add_ index_copy index_copy_ index_fill "
     "index_fill_ index_put index_put_ index_select is_nonzero isin item kthvalue linalg_matrix_norm "
     "linalg_norm linalg_vector_norm logcumsumexp logsumexp masked_fill masked_fill_ masked_scatter "
     "masked_scatter_ masked_select mean median mode msort nanmean nanmedian nanquantile nansum "
     "nonzero nonzero_numpy norm one_hot popitem prod put put_ quantile renorm scatter scatter_ "
     "scatter_add scatter_add_ scatter_reduce scatter_reduce_ searchsorted setdefault sort sorted std "
     "std_mean take take_along_dim topk trace trapezoid trapz unique_consecutive unique_dim update var "
     "var_mean"},
    // Products.
    {"aten",
     "_addmm_activation addbmm addmm addmm_ addmv addr baddbmm bilinear bmm cdist chain_matmul "
     "cholesky cosine_similarity cross det diagflat dot einsum fft_fft fft_fft2 fft_fftfreq fft_fftn "
     "fft_fftshift fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_irfft fft_irfft2 fft_irfftn fft_rfft "
     "fft_rfft2 fft_rfftfreq fft_rfftn ger inner inverse istft kron linalg_cholesky linalg_cross "
     "linalg_det linalg_eigh linalg_inv linalg_lstsq linalg_matrix_exp linalg_matrix_power "
     "linalg_multi_dot linalg_pinv linalg_qr linalg_solve linalg_svd linear logdet matmul matrix_exp "
     "matrix_power mm mv outer pairwise_distance pdist pinverse qr slogdet stft svd tensordot vdot"},
    // Layers.
    {"aten",
     "__interpolate _adaptive_avg_pool2d _convolution _convolution_mode _log_softmax "
     "_native_multi_head_attention _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned "
     "_softmax _transformer_encoder_layer_fwd _upsample_bicubic2d_aa _upsample_bilinear2d_aa "
     "_upsample_lanczos2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d "
     "_upsample_nearest_exact3d _weight_norm adaptive_avg_pool1d adaptive_avg_pool2d "
     "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
     "affine_grid_generator alpha_dropout alpha_dropout_ avg_pool1d avg_pool2d avg_pool3d batch_norm "
     "binary_cross_entropy binary_cross_entropy_with_logits celu celu_ channel_shuffle col2im "
     "constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d "
     "convolution cross_entropy_loss dequantize dropout dropout_ elu elu_ "
     "fake_quantize_per_channel_affine fake_quantize_per_tensor_affine feature_alpha_dropout "
     "feature_alpha_dropout_ feature_dropout feature_dropout_ fractional_max_pool2d gelu gelu_ glu "
     "grid_sampler grid_sampler_2d grid_sampler_3d group_norm gru gru_cell hardshrink hardsigmoid "
     "hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ huber_loss im2col instance_norm int_repr "
     "kl_div l1_loss layer_norm leaky_relu leaky_relu_ log_sigmoid log_softmax lstm lstm_cell "
     "max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d "
     "max_pool3d_with_indices max_unpool2d mish mish_ mse_loss native_batch_norm "
     "native_channel_shuffle native_dropout native_group_norm native_layer_norm nll_loss nll_loss2d "
     "nll_loss_nd pad pixel_shuffle pixel_unshuffle prelu q_per_channel_axis q_per_channel_scales "
     "q_per_channel_zero_points q_scale q_zero_point qscheme quantize_per_channel quantize_per_tensor "
     "quantize_per_tensor_dynamic reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 relu6_ "
     "relu_ replication_pad1d replication_pad2d replication_pad3d rms_norm rnn_relu rnn_relu_cell "
     "rnn_tanh rnn_tanh_cell rrelu rrelu_ scaled_dot_product_attention selu selu_ sigmoid sigmoid_ "
     "silu silu_ smooth_l1_loss softmax softplus softshrink threshold threshold_ to_padded_tensor "
     "upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d "
     "upsample_nearest3d upsample_trilinear3d"},
    // Properties of values.
    {"prim",
     "NumToTensor RaiseException StringIndex abs data device dtype grad is_cpu is_cuda is_meta "
     "is_nested is_quantized is_sparse itemsize layout max min name nbytes rangelist requires_grad "
     "type unchecked_cast unchecked_unwrap_optional"},
    // Quantised layers.
    {"quantized",
     "add add_relu add_scalar add_scalar_relu batch_norm batch_norm1d batch_norm2d batch_norm2d_relu "
     "batch_norm_relu cat cat_relu celu conv1d conv1d_dynamic conv1d_prepack conv1d_relu conv1d_unpack "
     "conv2d conv2d_add conv2d_add_relu conv2d_dynamic conv2d_prepack conv2d_relu conv2d_unpack conv3d "
     "conv3d_prepack conv3d_relu conv3d_unpack conv_prepack conv_transpose1d conv_transpose1d_prepack "
     "conv_transpose1d_unpack conv_transpose2d conv_transpose2d_dynamic conv_transpose2d_prepack "
     "conv_transpose2d_unpack conv_transpose3d conv_transpose3d_prepack conv_transpose3d_unpack "
     "conv_unpack elu group_norm hardswish instance_norm layer_norm leaky_relu linear linear_dynamic "
     "linear_dynamic_fp16 linear_leaky_relu linear_prepack linear_prepack_fp16 linear_relu "
     "linear_relu_dynamic linear_relu_dynamic_fp16 linear_tanh linear_unpack linear_unpack_fp16 matmul "
     "max_pool1d max_pool2d mul mul_relu mul_scalar mul_scalar_relu prelu relu6 sigmoid softmax "
     "threshold"},
};

constexpr OperatorGroup state_groups[] = {
    {"quantized",
     "conv1d_prepack conv2d_prepack conv3d_prepack conv_prepack conv_transpose1d_prepack "
     "conv_transpose2d_prepack conv_transpose3d_prepack linear_prepack linear_prepack_fp16"},
    {"aten", "__is__ __isnot__ eq"},
    {"prim", "unchecked_cast RaiseException"},
};

// Those that libtorch writes.
constexpr std::string_view functions[] = {"annotate", "bool", "float",          "getattr",      "int",
                                          "range",    "str",  "unchecked_cast", "uninitialized"};

constexpr std::string_view classes[] = {"quantized.Conv2dPackedParamsBase",
                                        "quantized.Conv3dPackedParamsBase",
                                        "quantized.LinearPackedParamsBase"};

template <size_t count>
std::unordered_set<std::string> names_in(const OperatorGroup (&of)[count]) {
  std::unordered_set<std::string> names;
  for (const auto& [space, text] : of) {
    std::istringstream words(text);
    for (std::string word; words >> word;) names.insert(std::string(space) + "::" + word);
  }
  return names;
}

}  // namespace

const std::unordered_set<std::string>& allowed_operators() {
  static const auto* names = new std::unordered_set<std::string>(names_in(groups));
  return *names;
}

const std::unordered_set<std::string>& state_operators() {
  static const auto* names = new std::unordered_set<std::string>(names_in(state_groups));
  return *names;
}

bool is_allowed_function(std::string_view name) {
  return std::find(std::begin(functions), std::end(functions), name) != std::end(functions);
}

bool is_allowed_class(std::string_view name) {
  constexpr std::string_view of_torch = "__torch__.torch", of_cpp = "__torch__.torch.classes";
  // A namespace: getattr() would find the classes in it.
  if (name == of_torch || name == of_cpp) return false;
  if (!name.starts_with(of_cpp) || name[of_cpp.size()] != '.') return true;
  return std::find(std::begin(classes), std::end(classes), name.substr(of_cpp.size() + 1)) !=
         std::end(classes);
}

}  // namespace dinov3_seg
