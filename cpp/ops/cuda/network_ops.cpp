// The network's operators on CUDA devices, as cuda_ops.cpp: tensors in, kernels on the current stream,
// nothing waited for and nothing copied from the host.
#include "ops/network_ops.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "ops/cuda/launch.h"
#include "ops/cuda/operators.h"
#include "ops/cuda/tensor_arguments.h"
#include "ops/network_checks.h"
#include "ops/perspective_view.h"
#include "ops/quantized_checks.h"

namespace dinov3_seg {
namespace {

at::Tensor deformable_attend_cuda(const at::Tensor& given_value, at::IntArrayRef sizes,
                                  const at::Tensor& given_reference, const at::Tensor& given_offsets,
                                  const at::Tensor& given_logits) {
  const DeformableSizes size =
      check_deformable(given_value, sizes, given_reference, given_offsets, given_logits);
  const c10::DeviceGuard guard(given_value.device());
  const at::ScalarType type = to_op_math_type(given_value.scalar_type());
  const at::ScalarType narrowest = given_offsets.scalar_type();
  const bool all_narrow = narrowest == given_logits.scalar_type() && c10::elementSize(narrowest) == 2 &&
                          are_together(narrowest, given_value.scalar_type());
  const at::ScalarType parameters = type == at::kDouble || !all_narrow ? type : narrowest;
  at::Tensor value = dense_from(given_value, 2);
  if (value.stride(1) > std::numeric_limits<int32_t>::max()) value = value.contiguous();
  const at::Tensor reference = given_reference.to(type).contiguous();
  const at::Tensor offsets = dense_from(given_offsets.to(parameters), 2);
  const at::Tensor logits = dense_from(given_logits.to(parameters), 2);
  const at::Tensor out = at::empty({size.batch, size.queries, size.heads * size.channels}, value.options());
  cuda::DeformableArguments in{};
  in.batch = size.batch;
  in.queries = size.queries;
  in.heads = narrow(size.heads);
  in.channels = narrow(size.channels);
  in.levels = set_levels(in.level, sizes);
  in.points = narrow(size.points);
  narrow(size.tokens);
  narrow(size.levels * size.points * 2);
  in.value_kind = kind_of(value.scalar_type());
  in.parameter_kind = kind_of(parameters);
  in.vectors = is_aligned(value) && is_aligned(out) &&
               is_whole(value, {size.channels, value.stride(1), size.batch > 1 ? value.stride(0) : 0});
  in.value = value.const_data_ptr();
  in.value_batch = value.stride(0);
  in.value_token = narrow(value.stride(1));
  in.reference = reference.const_data_ptr();
  in.offsets = offsets.const_data_ptr();
  in.offsets_batch = offsets.stride(0);
  in.offsets_query = offsets.stride(1);
  in.logits = logits.const_data_ptr();
  in.logits_batch = logits.stride(0);
  in.logits_query = logits.stride(1);
  in.out = out.mutable_data_ptr();
  check_grid(kernels().deformable_blocks(in));
  launch(kernels().deformable_attend, in);
  return out;
}

at::Tensor& rotate_qkv_cuda(at::Tensor& qkv, const at::Tensor& given_sin, const at::Tensor& given_cos) {
  const RotateSizes size = check_rotate(qkv, given_sin, given_cos);
  if (size.rotated == 0) return qkv;
  const c10::DeviceGuard guard(qkv.device());
  const at::Tensor sin = given_sin.contiguous(), cos = given_cos.contiguous();
  cuda::RotateArguments in{};
  in.batch = size.batch;
  in.tokens = size.tokens;
  in.rotated = size.rotated;
  in.heads = narrow(2 * size.heads) / 2;
  in.channels = narrow(size.channels);
  in.kind = kind_of(qkv.scalar_type());
  in.vectors = is_aligned(qkv) && is_aligned(sin) && is_aligned(cos) && is_whole(qkv, {size.channels / 2});
  in.qkv = qkv.mutable_data_ptr();
  in.sin = sin.const_data_ptr();
  in.cos = cos.const_data_ptr();
  check_grid(size.batch * size.rotated);
  launch(kernels().rotate_qkv, in);
  return qkv;
}

/// Gives the sum, and the norm in `to`; in e4m3 with its scales, rows×1.
std::tuple<at::Tensor, at::Tensor> norm_of_sum(const at::Tensor& given_x, const at::Tensor& given_y,
                                               const std::optional<at::Tensor>& given_gamma,
                                               const at::Tensor& given_weight, const at::Tensor& given_bias,
                                               double eps, at::ScalarType to, const at::Tensor& scales = {}) {
  const c10::DeviceGuard guard(given_x.device());
  const at::ScalarType type = given_x.scalar_type();
  const bool keeps_y = type != at::kDouble && c10::elementSize(given_y.scalar_type()) == 2 &&
                       are_together(given_y.scalar_type(), to);
  const at::ScalarType added = keeps_y ? given_y.scalar_type() : type;
  const bool all_narrow = given_weight.scalar_type() == at::kBFloat16 &&
                          given_bias.scalar_type() == at::kBFloat16 &&
                          (!given_gamma || given_gamma->scalar_type() == at::kBFloat16) &&
                          are_together(at::kBFloat16, added) && are_together(at::kBFloat16, to);
  const at::ScalarType parameters = type == at::kDouble || !all_narrow ? type : at::kBFloat16;
  const at::Tensor x = given_x.contiguous(), y = given_y.to(added).contiguous();
  const at::Tensor gamma = given_gamma ? given_gamma->to(parameters).contiguous() : at::Tensor();
  const at::Tensor weight = given_weight.to(parameters).contiguous();
  const at::Tensor bias = given_bias.to(parameters).contiguous();
  const at::Tensor sum = at::empty(x.sizes(), x.options());
  const at::Tensor normed = at::empty(x.sizes(), x.options().dtype(to));
  cuda::NormArguments in{};
  in.channels = x.size(-1);
  in.rows = x.numel() / in.channels;
  in.x_kind = kind_of(type);
  in.y_kind = kind_of(added);
  in.parameter_kind = kind_of(parameters);
  in.to_kind = kind_of(to);
  in.vectors = is_aligned(x) && is_aligned(y) && is_aligned(weight) && is_aligned(bias) &&
               (!gamma.defined() || is_aligned(gamma)) && is_aligned(sum) && is_aligned(normed);
  in.x = x.const_data_ptr();
  in.y = y.const_data_ptr();
  in.gamma = gamma.defined() ? gamma.const_data_ptr() : nullptr;
  in.weight = weight.const_data_ptr();
  in.bias = bias.const_data_ptr();
  in.sum = sum.mutable_data_ptr();
  in.normed = normed.mutable_data_ptr();
  in.scales = scales.defined() ? scales.mutable_data_ptr<float>() : nullptr;
  in.eps = eps;
  check_grid(in.rows);
  launch(kernels().add_scaled_norm, in);
  return {sum, normed};
}

std::tuple<at::Tensor, at::Tensor> add_scaled_norm_cuda(const at::Tensor& x, const at::Tensor& y,
                                                        const std::optional<at::Tensor>& gamma,
                                                        const at::Tensor& weight, const at::Tensor& bias,
                                                        double eps, std::optional<at::ScalarType> dtype) {
  const at::ScalarType to = check_add_scaled_norm(x, y, gamma, weight, bias, dtype);
  return norm_of_sum(x, y, gamma, weight, bias, eps, to);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> add_scaled_norm_quantized_cuda(
    const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& gamma,
    const at::Tensor& weight, const at::Tensor& bias, double eps) {
  check_add_scaled_norm(x, y, gamma, weight, bias, {});
  const at::Tensor scales = at::empty(scales_shape(x.sizes()), x.options().dtype(at::kFloat));
  const auto [sum, values] = norm_of_sum(x, y, gamma, weight, bias, eps, at::kFloat8_e4m3fn, scales);
  return {sum, values, scales};
}

at::Tensor swiglu_cuda(const at::Tensor& given_gate, const at::Tensor& given_up) {
  check_swiglu(given_gate, given_up);
  const at::Tensor out = at::empty(given_gate.sizes(), given_gate.options());
  if (out.numel() == 0) return out;
  const c10::DeviceGuard guard(given_gate.device());
  const at::Tensor gate = with_row_stride(given_gate), up = with_row_stride(given_up);
  cuda::SwigluArguments in{};
  in.columns = gate.size(-1);
  in.rows = gate.numel() / in.columns;
  in.kind = kind_of(gate.scalar_type());
  in.gate = gate.const_data_ptr();
  in.gate_row = row_stride(gate).value();
  in.up = up.const_data_ptr();
  in.up_row = row_stride(up).value();
  in.out = out.mutable_data_ptr();
  in.vectors = is_aligned(gate) && is_aligned(up) && is_aligned(out) &&
               is_whole(gate, {in.columns, in.gate_row, in.up_row});
  check_grid(kernels().swiglu_blocks(in));
  launch(kernels().swiglu, in);
  return out;
}

at::Tensor argmax_resized_cuda(const at::Tensor& given_scores, int64_t height, int64_t width) {
  check_argmax(given_scores, height, width);
  const c10::DeviceGuard guard(given_scores.device());
  const at::Tensor scores = given_scores.contiguous();
  const at::Tensor best = at::empty({scores.size(0), height, width}, scores.options().dtype(at::kByte));
  const cuda::ArgmaxArguments in{scores.size(0),
                                 narrow(scores.size(1)),
                                 narrow(scores.size(2)),
                                 narrow(scores.size(3)),
                                 narrow(height),
                                 narrow(width),
                                 kind_of(scores.scalar_type()),
                                 scores.const_data_ptr(),
                                 best.mutable_data_ptr<uint8_t>()};
  check_grid(kernels().argmax_blocks(in));
  launch(kernels().argmax_resized, in);
  return best;
}

at::Tensor argmax_masks_cuda(const at::Tensor& given_classes, const at::Tensor& given_masks, int64_t height,
                             int64_t width) {
  check_argmax_masks(given_classes, given_masks, height, width);
  const c10::DeviceGuard guard(given_masks.device());
  const at::Tensor classes = given_classes.contiguous(), masks = given_masks.contiguous();
  const at::Tensor best = at::empty({masks.size(0), height, width}, masks.options().dtype(at::kByte));
  cuda::MasksArguments in{};
  in.batch = masks.size(0);
  in.queries = narrow(masks.size(1));
  in.classes = narrow(classes.size(2));
  in.grid_height = narrow(masks.size(2));
  in.grid_width = narrow(masks.size(3));
  in.height = narrow(height);
  in.width = narrow(width);
  in.query_classes = classes.const_data_ptr<float>();
  in.masks = masks.const_data_ptr<float>();
  narrow(masks.size(2) * masks.size(3));
  const at::Tensor scratch = at::empty({kernels().masks_bytes(in)}, best.options());
  in.scratch = scratch.mutable_data_ptr();
  in.best = best.mutable_data_ptr<uint8_t>();
  check_grid(kernels().masks_blocks(in));
  launch(kernels().argmax_masks, in);
  return best;
}

at::Tensor count_classes_cuda(at::TensorList given_maps, const at::Tensor& given_tables,
                              const std::optional<at::Tensor>& given_excluded, int64_t columns) {
  check_count_classes(given_maps, given_tables, given_excluded, columns);
  static_assert(most_maps == cuda::most_layers);
  const c10::DeviceGuard guard(given_tables.device());
  const at::Tensor tables = given_tables.contiguous();
  const at::Tensor excluded = given_excluded ? given_excluded->contiguous() : at::Tensor();
  const at::Tensor counts = at::empty({columns + 2}, tables.options().dtype(at::kLong));
  std::vector<at::Tensor> maps;
  cuda::CountArguments in{};
  in.pixels = given_maps[0].numel();
  in.columns = narrow(columns);
  in.vectors = !excluded.defined() || is_aligned(excluded);
  for (const at::Tensor& given : given_maps) {
    const at::Tensor& map = maps.emplace_back(given.contiguous());
    in.maps[in.layers++] = map.const_data_ptr<uint8_t>();
    in.vectors = in.vectors && is_aligned(map);
  }
  in.tables = tables.const_data_ptr<uint8_t>();
  in.excluded = excluded.defined() ? excluded.const_data_ptr<uint8_t>() : nullptr;
  check_grid(kernels().count_blocks(in));
  auto* to = counts.mutable_data_ptr<int64_t>();
  launch(kernels().clear, to, counts.nbytes());
  launch(kernels().count_classes, in, to);
  return counts;
}

at::Tensor prepare_pixels_cuda(const at::Tensor& pixels, int64_t height, int64_t width,
                               at::ArrayRef<double> mean, at::ArrayRef<double> std) {
  check_pixels(pixels, height, width, mean, std);
  const c10::DeviceGuard guard(pixels.device());
  const auto floats = pixels.options().dtype(at::kFloat);
  const at::Tensor rows = at::empty({3, pixels.size(0), width}, floats);
  const at::Tensor prepared = at::empty({3, height, width}, floats);
  cuda::PixelsArguments in{};
  in.source_height = narrow(pixels.size(0));
  in.source_width = narrow(pixels.size(1));
  in.height = narrow(height);
  in.width = narrow(width);
  in.row = pixels.stride(0);
  in.column = pixels.stride(1);
  in.channel = pixels.stride(2);
  in.pixels = pixels.const_data_ptr<uint8_t>();
  for (size_t c = 0; c < 3; ++c) {
    in.mean[c] = static_cast<float>(mean[c]);
    in.std[c] = static_cast<float>(std[c]);
  }
  in.rows = rows.mutable_data_ptr<float>();
  in.prepared = prepared.mutable_data_ptr<float>();
  check_grid(kernels().pixels_blocks(in));
  launch(kernels().prepare_pixels, in);
  return prepared;
}

at::Tensor perspective_view_cuda(const at::Tensor& panorama, at::ArrayRef<double> rotation, double focal,
                                 int64_t height, int64_t width, int64_t samples) {
  const c10::DeviceGuard guard(panorama.device());
  cuda::ViewArguments in{};
  in.view = check_view(panorama, rotation, focal, height, width, samples);
  const at::Tensor pixels = at::empty({height, width, 3}, panorama.options());
  in.samples = narrow(samples);
  in.row = panorama.stride(0);
  in.column = panorama.stride(1);
  in.channel = panorama.stride(2);
  in.panorama = panorama.const_data_ptr<uint8_t>();
  in.pixels = pixels.mutable_data_ptr<uint8_t>();
  if (height > 8 * 65535) fail("SHAPE", "expected a view of at most 524280 rows, got ", height);
  launch(kernels().perspective_view, in);
  return pixels;
}

}  // namespace

void implement_network_operators(torch::Library& library) {
  library.impl("deformable_attend", deformable_attend_cuda);
  library.impl("rotate_qkv", rotate_qkv_cuda);
  library.impl("add_scaled_norm", add_scaled_norm_cuda);
  library.impl("add_scaled_norm_quantized", add_scaled_norm_quantized_cuda);
  library.impl("swiglu", swiglu_cuda);
  library.impl("argmax_resized", argmax_resized_cuda);
  library.impl("argmax_masks", argmax_masks_cuda);
  library.impl("count_classes", count_classes_cuda);
  library.impl("prepare_pixels", prepare_pixels_cuda);
  library.impl("perspective_view", perspective_view_cuda);
}

}  // namespace dinov3_seg
