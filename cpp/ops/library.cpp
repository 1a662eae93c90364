// The operators' schemas, and their calls through the dispatcher.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "ops/ops.h"

namespace dinov3_seg {

TORCH_LIBRARY(dinov3_seg, library) {
  library.def(
      "score_loss(Tensor scores, Tensor labels, Tensor? class_weights, int[] losses, bool gradient) -> "
      "(Tensor, Tensor)");
  library.def("score_counts(Tensor scores, Tensor labels) -> Tensor");
  library.def(
      "adamw_step(Tensor(a!) value, Tensor(b!) gradient, Tensor(c!) exp_avg, Tensor(d!) exp_avg_sq, "
      "Tensor coefficients, float beta1, float beta2, float epsilon) -> Tensor");
}

namespace {

template <typename Function>
c10::TypedOperatorHandle<Function> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

}  // namespace

bool has_fused_kernels(c10::DispatchKey key) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow("dinov3_seg::score_loss", "")
      .hasKernelForDispatchKey(key);
}

std::tuple<at::Tensor, at::Tensor> score_loss(const at::Tensor& scores, const at::Tensor& labels,
                                              const std::optional<at::Tensor>& class_weights,
                                              at::IntArrayRef losses, bool gradient) {
  static const auto op = find<decltype(score_loss)>("dinov3_seg::score_loss");
  return op.call(scores, labels, class_weights, losses, gradient);
}

at::Tensor score_counts(const at::Tensor& scores, const at::Tensor& labels) {
  static const auto op = find<decltype(score_counts)>("dinov3_seg::score_counts");
  return op.call(scores, labels);
}

at::Tensor adamw_step(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                      const at::Tensor& coefficients, double beta1, double beta2, double epsilon) {
  static const auto op = find<decltype(adamw_step)>("dinov3_seg::adamw_step");
  return op.call(value, gradient, exp_avg, exp_avg_sq, coefficients, beta1, beta2, epsilon);
}

}  // namespace dinov3_seg
