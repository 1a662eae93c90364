// The network's operators by libtorch's own, past the dispatcher: what fused kernels are tested and timed
// against.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace dinov3_seg {

at::Tensor plain_deformable_attend(const at::Tensor& value, at::IntArrayRef sizes,
                                   const at::Tensor& reference, const at::Tensor& offsets,
                                   const at::Tensor& logits);
at::Tensor& plain_rotate_qkv(at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos);
std::tuple<at::Tensor, at::Tensor> plain_add_scaled_norm(const at::Tensor& x, const at::Tensor& y,
                                                         const std::optional<at::Tensor>& gamma,
                                                         const at::Tensor& weight, const at::Tensor& bias,
                                                         double eps, std::optional<at::ScalarType> dtype);
at::Tensor plain_swiglu(const at::Tensor& gate, const at::Tensor& up);
at::Tensor plain_argmax_resized(const at::Tensor& scores, int64_t height, int64_t width);
at::Tensor plain_prepare_pixels(const at::Tensor& pixels, int64_t height, int64_t width,
                                at::ArrayRef<double> mean, at::ArrayRef<double> std);
at::Tensor plain_add_resized(const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& scale,
                             const std::optional<at::Tensor>& shift);
at::Tensor plain_group_norm_tokens(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                   const at::Tensor& bias, double eps, bool relu);
at::Tensor plain_depthwise_gelu(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                                const at::Tensor& bias);

}  // namespace dinov3_seg
