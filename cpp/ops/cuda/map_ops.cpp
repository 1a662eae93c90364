// The network's operators on maps of tokens on CUDA devices, as network_ops.cpp.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/cuda/launch.h"
#include "ops/cuda/operators.h"
#include "ops/cuda/tensor_arguments.h"
#include "ops/network_checks.h"
#include "ops/network_ops.h"

namespace dinov3_seg {
namespace {

/// Channels lie together, and 16 bytes can be read at any place of a tensor …×C.
bool has_vectors(const at::Tensor& tensor) {
  if (!is_aligned(tensor) || !is_whole(tensor, {tensor.size(-1)})) return false;
  for (int64_t d = 0; d + 1 < tensor.dim(); ++d)
    if (tensor.size(d) > 1 && !is_whole(tensor, {tensor.stride(d)})) return false;
  return true;
}

cuda::MapPlace place_of(const at::Tensor& map) {
  return {map.const_data_ptr(), kind_of(map.scalar_type()), map.stride(0), map.stride(1), map.stride(2)};
}

at::Tensor add_resized_cuda(const at::Tensor& given_x, const at::Tensor& given_y,
                            const std::optional<at::Tensor>& given_scale,
                            const std::optional<at::Tensor>& given_shift) {
  check_add_resized(given_x, given_y, given_scale, given_shift);
  const c10::DeviceGuard guard(given_x.device());
  const at::ScalarType type = to_op_math_type(given_x.scalar_type());
  const at::Tensor x = dense_from(given_x, 3);
  const bool narrow_y = type == at::kFloat && c10::elementSize(given_y.scalar_type()) == 2 &&
                        are_together(given_x.scalar_type(), given_y.scalar_type());
  const at::Tensor y = dense_from(narrow_y ? given_y : given_y.to(type), 3);
  const at::Tensor scale = given_scale ? given_scale->to(type).contiguous() : at::Tensor();
  const at::Tensor shift = given_shift ? given_shift->to(type).contiguous() : at::Tensor();
  const at::Tensor out =
      at::empty(x.sizes(), x.options().dtype(type).memory_format(at::MemoryFormat::Contiguous));
  cuda::AddResizedArguments in{};
  in.batch = x.size(0);
  in.height = narrow(x.size(1));
  in.width = narrow(x.size(2));
  in.channels = narrow(x.size(3));
  in.grid_height = narrow(y.size(1));
  in.grid_width = narrow(y.size(2));
  // A pack is of x's dtype: as many values of a narrower y are fewer bytes.
  const bool whole = y.element_size() >= x.element_size();
  in.vectors = whole && has_vectors(x) && has_vectors(y) && is_aligned(out) &&
               (!scale.defined() || (is_aligned(scale) && is_aligned(shift)));
  in.x = place_of(x);
  in.y = place_of(y);
  in.scale = scale.defined() ? scale.const_data_ptr() : nullptr;
  in.shift = shift.defined() ? shift.const_data_ptr() : nullptr;
  in.out = out.mutable_data_ptr();
  check_grid(kernels().add_resized_blocks(in));
  launch(kernels().add_resized, in);
  return out;
}

at::Tensor group_norm_tokens_cuda(const at::Tensor& given_x, int64_t groups, const at::Tensor& given_weight,
                                  const at::Tensor& given_bias, double eps, bool relu) {
  check_group_norm(given_x, groups, given_weight, given_bias);
  const c10::DeviceGuard guard(given_x.device());
  const at::ScalarType type = to_op_math_type(given_x.scalar_type());
  const at::Tensor x = dense_from(given_x, 2);
  const at::Tensor weight = given_weight.to(type).contiguous(), bias = given_bias.to(type).contiguous();
  const auto computed = x.options().dtype(type);
  const at::Tensor moments =
      at::empty({x.size(0), groups, kernels().group_norm_chunks(x.size(1)), 2}, computed);
  const at::Tensor statistics = at::empty({x.size(0), groups, 2}, computed);
  const at::Tensor out = at::empty(x.sizes(), computed.memory_format(at::MemoryFormat::Contiguous));
  cuda::GroupNormArguments in{};
  in.batch = x.size(0);
  in.tokens = x.size(1);
  in.channels = narrow(x.size(2));
  in.groups = narrow(groups);
  in.kind = kind_of(x.scalar_type());
  // A pack of channels has to be of one group.
  in.vectors = has_vectors(x) && is_whole(x, {x.size(2) / groups}) && is_aligned(weight) &&
               is_aligned(bias) && is_aligned(out);
  in.relu = relu;
  in.x = x.const_data_ptr();
  in.image = x.stride(0);
  in.token = x.stride(1);
  in.weight = weight.const_data_ptr();
  in.bias = bias.const_data_ptr();
  in.moments = moments.mutable_data_ptr();
  in.statistics = statistics.mutable_data_ptr();
  in.out = out.mutable_data_ptr();
  in.eps = eps;
  check_grid(kernels().group_norm_blocks(in));
  launch(kernels().group_norm_tokens, in);
  return out;
}

at::Tensor depthwise_gelu_cuda(const at::Tensor& given_x, at::IntArrayRef sizes,
                               const at::Tensor& given_weight, const at::Tensor& given_bias) {
  check_depthwise(given_x, sizes, given_weight, given_bias);
  const c10::DeviceGuard guard(given_x.device());
  const at::Tensor x = dense_from(given_x, 2);
  const at::Tensor weight = given_weight.to(x.scalar_type()).contiguous();
  const at::Tensor bias = given_bias.to(x.scalar_type()).contiguous();
  const at::Tensor out = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::Contiguous));
  cuda::DepthwiseArguments in{};
  in.batch = x.size(0);
  in.tokens = x.size(1);
  in.channels = narrow(x.size(2));
  in.levels = set_levels(in.level, sizes);
  in.kind = kind_of(x.scalar_type());
  in.vectors = has_vectors(x) && is_aligned(weight) && is_aligned(out);
  in.x = x.const_data_ptr();
  in.image = x.stride(0);
  in.token = x.stride(1);
  in.weight = weight.const_data_ptr();
  in.bias = bias.const_data_ptr();
  in.out = out.mutable_data_ptr();
  check_grid(kernels().depthwise_blocks(in));
  launch(kernels().depthwise_gelu, in);
  return out;
}

at::Tensor upscaled_norm_cuda(const at::Tensor& given_x, const at::Tensor& given_weight,
                              const at::Tensor& given_norm_weight, const at::Tensor& given_norm_bias,
                              double eps, std::optional<at::ScalarType> dtype) {
  const at::ScalarType to = check_upscaled(given_x, given_weight, given_norm_weight, given_norm_bias, dtype);
  const c10::DeviceGuard guard(given_x.device());
  const at::ScalarType type = to_op_math_type(given_x.scalar_type());
  const int64_t channels = given_weight.size(0);
  const at::Tensor x = (are_together(given_x.scalar_type(), to) ? given_x : given_x.to(type)).contiguous();
  const at::Tensor weight = given_weight.flatten(1).t().to(type).contiguous();
  const at::Tensor norm_weight = given_norm_weight.to(type).contiguous();
  const at::Tensor norm_bias = given_norm_bias.to(type).contiguous();
  const at::Tensor out = at::empty({x.size(0), 2 * x.size(1), 2 * x.size(2), channels},
                                   x.options().dtype(to).memory_format(at::MemoryFormat::Contiguous));
  cuda::UpscaledArguments in{};
  in.batch = x.size(0);
  in.height = narrow(x.size(1));
  in.width = narrow(x.size(2));
  in.channels = narrow(channels);
  in.kind = kind_of(x.scalar_type());
  in.to_kind = kind_of(to);
  in.vectors = type == at::kFloat && to != at::kDouble && is_aligned(x) && is_aligned(weight) &&
               is_aligned(norm_weight) && is_aligned(norm_bias) && is_aligned(out);
  in.x = x.const_data_ptr();
  in.weight = weight.const_data_ptr();
  in.norm_weight = norm_weight.const_data_ptr();
  in.norm_bias = norm_bias.const_data_ptr();
  in.out = out.mutable_data_ptr();
  in.eps = eps;
  check_grid(kernels().upscaled_blocks(in));
  launch(kernels().upscaled_norm, in);
  return out;
}

at::Tensor box_bias_cuda(const at::Tensor& given_boxes, int64_t height, int64_t width, int64_t stride,
                         const at::Tensor& x_hidden, const at::Tensor& x_shift, const at::Tensor& x_weight,
                         const at::Tensor& y_hidden, const at::Tensor& y_shift, const at::Tensor& y_weight,
                         at::ScalarType dtype) {
  check_box_bias(given_boxes, height, width, stride, {x_hidden, x_shift, x_weight},
                 {y_hidden, y_shift, y_weight}, dtype);
  const c10::DeviceGuard guard(given_boxes.device());
  const at::ScalarType type = to_op_math_type(given_boxes.scalar_type());
  const at::Tensor boxes = given_boxes.to(type).contiguous();
  std::vector<at::Tensor> layers;
  for (const at::Tensor& each : {x_hidden, x_shift, x_weight, y_hidden, y_shift, y_weight})
    layers.push_back(each.to(type).contiguous());
  // Attention reads rows of masks in packs of 8.
  const int64_t places = height * width, row = (places + 7) / 8 * 8;
  const at::Tensor out =
      at::empty({boxes.size(0), x_weight.size(0), boxes.size(1), row}, boxes.options().dtype(dtype));
  cuda::BoxBiasArguments in{};
  in.batch = boxes.size(0);
  in.queries = narrow(boxes.size(1));
  in.heads = narrow(x_weight.size(0));
  in.hidden = narrow(x_hidden.size(0));
  in.height = narrow(height);
  in.width = narrow(width);
  in.stride = narrow(stride);
  in.kind = kind_of(type);
  in.to_kind = kind_of(dtype);
  in.boxes = boxes.const_data_ptr();
  for (size_t axis = 0; axis < 2; ++axis)
    in.axes[axis] = {layers[3 * axis].const_data_ptr(), layers[3 * axis + 1].const_data_ptr(),
                     layers[3 * axis + 2].const_data_ptr()};
  in.out = out.mutable_data_ptr();
  in.row = row;
  const int64_t blocks = kernels().box_bias_blocks(in);
  if (blocks == 0)
    fail("SHAPE", "a map of ", height, "×", width, " places is too large for its boxes: use smaller images");
  check_grid(blocks);
  launch(kernels().box_bias, in);
  return out.narrow(3, 0, places);
}

at::Tensor to_float16_cuda(const at::Tensor& given_x, at::Tensor& largest) {
  check_to_float16(given_x, largest);
  if (given_x.numel() == 0) return given_x.to(at::kHalf);
  const c10::DeviceGuard guard(given_x.device());
  const at::Tensor x = given_x.is_non_overlapping_and_dense() ? given_x : given_x.contiguous();
  const bool is_half = x.scalar_type() == at::kHalf;
  const at::Tensor out = is_half ? x : at::empty_like(x, x.options().dtype(at::kHalf));
  cuda::Float16Arguments in{};
  in.count = x.numel();
  in.kind = kind_of(x.scalar_type());
  in.vectors = is_aligned(x) && is_aligned(out) && in.count % 8 == 0;
  in.x = x.const_data_ptr();
  in.out = is_half ? nullptr : out.mutable_data_ptr();
  in.largest = reinterpret_cast<unsigned*>(largest.mutable_data_ptr<float>());
  check_grid(kernels().float16_blocks(in));
  launch(kernels().to_float16, in);
  return out;
}

}  // namespace

void implement_map_operators(torch::Library& library) {
  library.impl("add_resized", add_resized_cuda);
  library.impl("group_norm_tokens", group_norm_tokens_cuda);
  library.impl("depthwise_gelu", depthwise_gelu_cuda);
  library.impl("upscaled_norm", upscaled_norm_cuda);
  library.impl("box_bias", box_bias_cuda);
  library.impl("to_float16", to_float16_cuda);
}

}  // namespace dinov3_seg
