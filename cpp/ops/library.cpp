// The operators' schemas, and their calls through the dispatcher.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "ops/find_operator.h"
#include "ops/network_ops.h"
#include "ops/perspective_view.h"
#include "ops/quantized_ops.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

namespace {

constexpr const char* schemas[] = {

    "score_loss(Tensor scores, Tensor labels, Tensor? class_weights, int[] losses, bool gradient) -> "
    "(Tensor, Tensor)",
    "score_counts(Tensor scores, Tensor labels) -> Tensor",

    "adamw_step(Tensor(a!) value, Tensor(b!) gradient, Tensor(c!) exp_avg, Tensor(d!) exp_avg_sq, "
    "Tensor coefficients, float beta1, float beta2, float epsilon) -> Tensor",

    "deformable_attend(Tensor value, int[] sizes, Tensor reference, Tensor offsets, Tensor logits) -> "
    "Tensor",
    "rotate_qkv(Tensor(a!) qkv, Tensor sin, Tensor cos) -> Tensor(a!)",

    "add_scaled_norm(Tensor x, Tensor y, Tensor? gamma, Tensor weight, Tensor bias, float eps, "
    "ScalarType? dtype) -> (Tensor, Tensor)",
    "swiglu(Tensor gate, Tensor up) -> Tensor",
    "argmax_resized(Tensor scores, int height, int width) -> Tensor",
    "argmax_masks(Tensor classes, Tensor masks, int height, int width) -> Tensor",
    "count_classes(Tensor[] maps, Tensor tables, Tensor? excluded, int columns) -> Tensor",
    "prepare_pixels(Tensor pixels, int height, int width, float[] mean, float[] std) -> Tensor",
    "perspective_view(Tensor panorama, float[] rotation, float focal, int height, int width, int samples) -> "
    "Tensor",
    "add_resized(Tensor x, Tensor y, Tensor? scale, Tensor? shift) -> Tensor",

    "group_norm_tokens(Tensor x, int groups, Tensor weight, Tensor bias, float eps, bool relu) -> Tensor",
    "depthwise_gelu(Tensor x, int[] sizes, Tensor weight, Tensor bias) -> Tensor",

    "upscaled_norm(Tensor x, Tensor weight, Tensor norm_weight, Tensor norm_bias, float eps, "
    "ScalarType? dtype) -> Tensor",

    "box_bias(Tensor boxes, int height, int width, int stride, Tensor x_hidden, Tensor x_shift, "
    "Tensor x_weight, Tensor y_hidden, Tensor y_shift, Tensor y_weight, ScalarType dtype) -> Tensor",

    "to_float16(Tensor(b) x, Tensor(a!) largest) -> Tensor(b)",
    "quantize_rows(Tensor x) -> (Tensor, Tensor)",
    "add_scaled_norm_quantized(Tensor x, Tensor y, Tensor? gamma, Tensor weight, Tensor bias, float eps) -> "
    "(Tensor, Tensor, Tensor)",
    "swiglu_quantized(Tensor gate, Tensor up) -> (Tensor, Tensor)",
    "scaled_linear(Tensor x, Tensor scales, Tensor weight, Tensor weight_scales, Tensor? bias) -> Tensor",
};

}  // namespace

TORCH_LIBRARY(dinov3_seg, library) {
  for (const char* schema : schemas) library.def(schema);
}

/// The same by libtorch's own operators on every device: what fused kernels are tested and timed against.
TORCH_LIBRARY(dinov3_seg_reference, library) {
  for (const char* schema : schemas) library.def(schema);
}

bool has_fused_kernels(c10::DispatchKey key) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow("dinov3_seg::score_loss", "")
      .hasKernelForDispatchKey(key);
}

std::tuple<at::Tensor, at::Tensor> score_loss(const at::Tensor& scores, const at::Tensor& labels,
                                              const std::optional<at::Tensor>& class_weights,
                                              at::IntArrayRef losses, bool gradient) {
  static const auto op = find_operator<decltype(score_loss)>("dinov3_seg::score_loss");
  return op.call(scores, labels, class_weights, losses, gradient);
}

at::Tensor score_counts(const at::Tensor& scores, const at::Tensor& labels) {
  static const auto op = find_operator<decltype(score_counts)>("dinov3_seg::score_counts");
  return op.call(scores, labels);
}

at::Tensor adamw_step(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                      const at::Tensor& coefficients, double beta1, double beta2, double epsilon) {
  static const auto op = find_operator<decltype(adamw_step)>("dinov3_seg::adamw_step");
  return op.call(value, gradient, exp_avg, exp_avg_sq, coefficients, beta1, beta2, epsilon);
}

at::Tensor deformable_attend(const at::Tensor& value, at::IntArrayRef sizes, const at::Tensor& reference,
                             const at::Tensor& offsets, const at::Tensor& logits) {
  static const auto op = find_operator<decltype(deformable_attend)>("dinov3_seg::deformable_attend");
  return op.call(value, sizes, reference, offsets, logits);
}

at::Tensor& rotate_qkv(at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos) {
  static const auto op = find_operator<decltype(rotate_qkv)>("dinov3_seg::rotate_qkv");
  return op.call(qkv, sin, cos);
}

std::tuple<at::Tensor, at::Tensor> add_scaled_norm(const at::Tensor& x, const at::Tensor& y,
                                                   const std::optional<at::Tensor>& gamma,
                                                   const at::Tensor& weight, const at::Tensor& bias,
                                                   double eps, std::optional<at::ScalarType> dtype) {
  static const auto op = find_operator<decltype(add_scaled_norm)>("dinov3_seg::add_scaled_norm");
  return op.call(x, y, gamma, weight, bias, eps, dtype);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  static const auto op = find_operator<decltype(swiglu)>("dinov3_seg::swiglu");
  return op.call(gate, up);
}

at::Tensor argmax_resized(const at::Tensor& scores, int64_t height, int64_t width) {
  static const auto op = find_operator<decltype(argmax_resized)>("dinov3_seg::argmax_resized");
  return op.call(scores, height, width);
}

at::Tensor argmax_masks(const at::Tensor& classes, const at::Tensor& masks, int64_t height, int64_t width) {
  static const auto op = find_operator<decltype(argmax_masks)>("dinov3_seg::argmax_masks");
  return op.call(classes, masks, height, width);
}

at::Tensor count_classes(at::TensorList maps, const at::Tensor& tables,
                         const std::optional<at::Tensor>& excluded, int64_t columns) {
  static const auto op = find_operator<decltype(count_classes)>("dinov3_seg::count_classes");
  return op.call(maps, tables, excluded, columns);
}

at::Tensor prepare_pixels(const at::Tensor& pixels, int64_t height, int64_t width, at::ArrayRef<double> mean,
                          at::ArrayRef<double> std) {
  static const auto op = find_operator<decltype(prepare_pixels)>("dinov3_seg::prepare_pixels");
  return op.call(pixels, height, width, mean, std);
}

at::Tensor perspective_view(const at::Tensor& panorama, at::ArrayRef<double> rotation, double focal,
                            int64_t height, int64_t width, int64_t samples) {
  static const auto op = find_operator<decltype(perspective_view)>("dinov3_seg::perspective_view");
  return op.call(panorama, rotation, focal, height, width, samples);
}

at::Tensor add_resized(const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& scale,
                       const std::optional<at::Tensor>& shift) {
  static const auto op = find_operator<decltype(add_resized)>("dinov3_seg::add_resized");
  return op.call(x, y, scale, shift);
}

at::Tensor group_norm_tokens(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                             const at::Tensor& bias, double eps, bool relu) {
  static const auto op = find_operator<decltype(group_norm_tokens)>("dinov3_seg::group_norm_tokens");
  return op.call(x, groups, weight, bias, eps, relu);
}

at::Tensor depthwise_gelu(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                          const at::Tensor& bias) {
  static const auto op = find_operator<decltype(depthwise_gelu)>("dinov3_seg::depthwise_gelu");
  return op.call(x, sizes, weight, bias);
}

at::Tensor upscaled_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& norm_weight,
                         const at::Tensor& norm_bias, double eps, std::optional<at::ScalarType> dtype) {
  static const auto op = find_operator<decltype(upscaled_norm)>("dinov3_seg::upscaled_norm");
  return op.call(x, weight, norm_weight, norm_bias, eps, dtype);
}

at::Tensor box_bias(const at::Tensor& boxes, int64_t height, int64_t width, int64_t stride,
                    const at::Tensor& x_hidden, const at::Tensor& x_shift, const at::Tensor& x_weight,
                    const at::Tensor& y_hidden, const at::Tensor& y_shift, const at::Tensor& y_weight,
                    at::ScalarType dtype) {
  static const auto op = find_operator<decltype(box_bias)>("dinov3_seg::box_bias");
  return op.call(boxes, height, width, stride, x_hidden, x_shift, x_weight, y_hidden, y_shift, y_weight,
                 dtype);
}

at::Tensor to_float16(const at::Tensor& x, at::Tensor& largest) {
  static const auto op = find_operator<decltype(to_float16)>("dinov3_seg::to_float16");
  return op.call(x, largest);
}

std::tuple<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& x) {
  static const auto op = find_operator<decltype(quantize_rows)>("dinov3_seg::quantize_rows");
  return op.call(x);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> add_scaled_norm_quantized(
    const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& gamma,
    const at::Tensor& weight, const at::Tensor& bias, double eps) {
  static const auto op =
      find_operator<decltype(add_scaled_norm_quantized)>("dinov3_seg::add_scaled_norm_quantized");
  return op.call(x, y, gamma, weight, bias, eps);
}

std::tuple<at::Tensor, at::Tensor> swiglu_quantized(const at::Tensor& gate, const at::Tensor& up) {
  static const auto op = find_operator<decltype(swiglu_quantized)>("dinov3_seg::swiglu_quantized");
  return op.call(gate, up);
}

at::Tensor scaled_linear(const at::Tensor& x, const at::Tensor& scales, const at::Tensor& weight,
                         const at::Tensor& weight_scales, const std::optional<at::Tensor>& bias) {
  static const auto op = find_operator<decltype(scaled_linear)>("dinov3_seg::scaled_linear");
  return op.call(x, scales, weight, weight_scales, bias);
}

}  // namespace dinov3_seg
