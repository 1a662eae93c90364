// The operators by libtorch's own, past the dispatcher: what fused kernels are tested and timed against.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace dinov3_seg {

std::tuple<at::Tensor, at::Tensor> score_loss_reference(const at::Tensor& scores, const at::Tensor& labels,
                                                        const std::optional<at::Tensor>& class_weights,
                                                        at::IntArrayRef losses, bool gradient);
at::Tensor score_counts_reference(const at::Tensor& scores, const at::Tensor& labels);
at::Tensor adamw_step_reference(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg,
                                at::Tensor& exp_avg_sq, const at::Tensor& coefficients, double beta1,
                                double beta2, double epsilon);

}  // namespace dinov3_seg
