// Operators of the networks' forward pass, called through libtorch's dispatcher: plain libtorch on any
// device, a fused kernel where there is one. None of them waits for the device or copies to it, so that they
// can be captured into a CUDA graph. Legend: B batch, N tokens, C channels, M heads, D channels of a head,
// K classes, H×W image, h×w grid of the scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <tuple>

namespace dinov3_seg {

/// Multi-scale deformable attention (Zhu et al. 2021), the sampling and the softmax in one. value B×S×M×D
/// (float32, bfloat16, float16 or float64; may be a strided view): the maps of L levels, row by row, one
/// after the other; `sizes` h0, w0, h1, w1, …; reference 1×Q×2, (x, y) with 0…1 across a map (float32 or
/// float64); offsets B×Q×M×L×P×2 in pixels of their level and logits B×Q×M×(L·P) (floating point). Weights
/// are softmax(logits, −1); samples are bilinear (align_corners false), zero beyond the map. Computed in
/// float32 (float64 for float64) and rounded once. Gives B×Q×(M·D) in value's dtype. Throws SHAPE for
/// anything else.
at::Tensor deformable_attend(const at::Tensor& value, at::IntArrayRef sizes, const at::Tensor& reference,
                             const at::Tensor& offsets, const at::Tensor& logits);

/// Rotary position embedding of queries and keys, in place: qkv B×N×3×M×D contiguous (float32, bfloat16,
/// float16 or float64); sin, cos P×D (float32; float64 for float64) for the last P of the N tokens. x becomes
/// x·cos + [−x₂, x₁]·sin with x = [x₁, x₂], computed in the dtype of sin and rounded once. Gives qkv. Throws
/// SHAPE for anything else.
at::Tensor& rotate_qkv(at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos);

/// A residual and its norm: sum = x + y·gamma (absent: x + y) in x's dtype, and layer_norm(sum, [C], weight,
/// bias, eps) in `dtype` (absent: x's). x …×C float32 or float64; y of the same shape, float32, bfloat16,
/// float16 or float64; gamma, weight and bias C, floating point. Computed in x's dtype. Throws SHAPE for
/// anything else.
std::tuple<at::Tensor, at::Tensor> add_scaled_norm(const at::Tensor& x, const at::Tensor& y,
                                                   const std::optional<at::Tensor>& gamma,
                                                   const at::Tensor& weight, const at::Tensor& bias,
                                                   double eps, std::optional<at::ScalarType> dtype);

/// silu(gate)·up of two tensors of one shape and dtype (float32, bfloat16, float16 or float64), which may be
/// views of columns. A fused kernel computes bfloat16 in float32 and rounds once, libtorch rounds after silu
/// as well. Throws SHAPE for anything else.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// The best class of each pixel, B×height×width uint8, of scores B×K×h×w (float32, bfloat16, float16 or
/// float64; K ≤ 255) resized bilinearly (align_corners false). Of equal scores the first class wins, NaN is
/// above all. Throws SHAPE for anything else.
at::Tensor argmax_resized(const at::Tensor& scores, int64_t height, int64_t width);

/// The best class of each pixel, B×height×width uint8: of Σ_q classes[q,k] · sigmoid(masks[q] resized).
/// classes B×Q×K (K ≤ 255) and masks B×Q×h×w, both float32; else as argmax_resized. No score of a pixel is
/// kept. A fused kernel takes many times longer where classes has values that are not from 0 to 1.
at::Tensor argmax_masks(const at::Tensor& classes, const at::Tensor& masks, int64_t height, int64_t width);

/// Pixels of each column of a table of features: columns + 2 int64, on the maps' device, the last two for
/// pixels without a column and for those that `excluded` (H×W uint8, or absent) has another value than 0 for,
/// which are counted there alone. maps: class maps H×W uint8 of one image by several heads, up to 8, and
/// tables, maps×256 uint8, from class to column: below `columns` (1 to 255), or 255 for none. A later map
/// goes over the earlier ones where its table has a column. Throws SHAPE for anything else; numbers in tables
/// that are no column count as none.
at::Tensor count_classes(at::TensorList maps, const at::Tensor& tables,
                         const std::optional<at::Tensor>& excluded, int64_t columns);

/// Pixels H×W×3 uint8 → 3×height×width float32: divided by 255, resized (bilinear, antialiased,
/// align_corners false), less `mean`, divided by `std`, three values each. Throws SHAPE for anything else.
at::Tensor prepare_pixels(const at::Tensor& pixels, int64_t height, int64_t width, at::ArrayRef<double> mean,
                          at::ArrayRef<double> std);

/// x + y resized bilinearly (align_corners false) to x's size; then, with scale and shift, what that gives
/// ·scale + shift. x B×H×W×C, y B×h×w×C, scale and shift C (both or neither), floating point; may be strided
/// views. Computed in float32 (float64 where x is) and given in it, B×H×W×C contiguous. Throws SHAPE for
/// anything else.
at::Tensor add_resized(const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& scale,
                       const std::optional<at::Tensor>& shift);

/// Group norm of tokens: over all tokens and the channels of a group, x B×N×C, weight and bias C, floating
/// point; then, with `relu`, max(0, ·). The statistics do not depend on the device's size, so that equal
/// inputs give equal bits. Computed in float32 (float64 where x is) and given in it, contiguous. Throws SHAPE
/// for anything else.
at::Tensor group_norm_tokens(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                             const at::Tensor& bias, double eps, bool relu);

/// gelu (the exact one) of a depthwise convolution of 3×3 with zero padding, of tokens B×N×C that are the
/// maps of `sizes` (h0, w0, h1, w1, …) row by row, one after the other, each convolved on its own. weight
/// C×1×3×3 and bias C. Any floating point; a fused kernel computes in float32 (float64 where x is) and rounds
/// once, libtorch after the convolution as well. Gives B×N×C in x's dtype. Throws SHAPE for anything else.
at::Tensor depthwise_gelu(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                          const at::Tensor& bias);

/// Layer norm over the channels of a depthwise convolution of 3×3 with zero padding and no bias. x
/// B×H×W×(2·2·C): the four pixels (row, column) that each place becomes; weight C×1×3×3; norm_weight and
/// norm_bias C; any floating point. A fused kernel computes in float32 (float64 where x is) and rounds once,
/// libtorch after the convolution as well. Gives B×2H×2W×C in `dtype` (absent: what is computed in). Throws
/// SHAPE for anything else.
at::Tensor upscaled_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& norm_weight,
                         const at::Tensor& norm_bias, double eps, std::optional<at::ScalarType> dtype);

/// What boxes B×Q×4 (centre x, centre y, width, height in pixels) add to attention logits at the places of a
/// map height×width, `stride` pixels apart: B×M×Q×(height·width) in `dtype`, for the M heads. Of each axis,
/// with the pixels from a place to both edges of a box: weight · relu(hidden · (low, high) + shift), less the
/// largest over the axis, which softmax does not see; then the sum of both axes. hidden H×2, shift H, weight
/// M×H; any floating point, computed in float32 (float64 where boxes are) and rounded once. A fused kernel
/// gives rows that begin at multiples of 8 values. Throws SHAPE for anything else.
at::Tensor box_bias(const at::Tensor& boxes, int64_t height, int64_t width, int64_t stride,
                    const at::Tensor& x_hidden, const at::Tensor& x_shift, const at::Tensor& x_weight,
                    const at::Tensor& y_hidden, const at::Tensor& y_shift, const at::Tensor& y_weight,
                    at::ScalarType dtype);

/// x, floating point, in float16 (float64 by way of float32): itself where it is that. What float16 cannot
/// hold becomes infinite. `largest`, one float32, is raised to the largest magnitude in x where that is more;
/// NaN is above all. Throws SHAPE for anything else.
at::Tensor to_float16(const at::Tensor& x, at::Tensor& largest);

}  // namespace dinov3_seg
