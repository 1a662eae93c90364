// The network's operators by libtorch's own, past the dispatcher: what fused kernels are tested and timed
// against.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace dinov3_seg {

at::Tensor deformable_attend_reference(const at::Tensor& value, at::IntArrayRef sizes,
                                       const at::Tensor& reference, const at::Tensor& offsets,
                                       const at::Tensor& logits);
at::Tensor& rotate_qkv_reference(at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos);
std::tuple<at::Tensor, at::Tensor> add_scaled_norm_reference(const at::Tensor& x, const at::Tensor& y,
                                                             const std::optional<at::Tensor>& gamma,
                                                             const at::Tensor& weight, const at::Tensor& bias,
                                                             double eps, std::optional<at::ScalarType> dtype);
at::Tensor swiglu_reference(const at::Tensor& gate, const at::Tensor& up);
at::Tensor argmax_resized_reference(const at::Tensor& scores, int64_t height, int64_t width);
at::Tensor prepare_pixels_reference(const at::Tensor& pixels, int64_t height, int64_t width,
                                    at::ArrayRef<double> mean, at::ArrayRef<double> std);
at::Tensor add_resized_reference(const at::Tensor& x, const at::Tensor& y,
                                 const std::optional<at::Tensor>& scale,
                                 const std::optional<at::Tensor>& shift);
at::Tensor group_norm_tokens_reference(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                       const at::Tensor& bias, double eps, bool relu);
at::Tensor depthwise_gelu_reference(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                                    const at::Tensor& bias);

}  // namespace dinov3_seg
