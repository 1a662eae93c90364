// The operators of quantized_ops.h by libtorch's own: for devices without a fused kernel, and what those are
// tested against.
#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/network_ops.h"
#include "ops/quantized_checks.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

constexpr double largest_value = 448;
constexpr double least_scale = 0x1p-126;  // the least whose inverse is finite

std::tuple<at::Tensor, at::Tensor> quantize_rows_reference(const at::Tensor& x) {
  check_quantized_rows(x);
  const at::Tensor wide = x.to(at::kFloat);
  // A product: libtorch divides by a number on the CPU, and on CUDA multiplies by its inverse.
  const at::Tensor scales =
      wide.abs().amax(-1, /*keepdim=*/true).mul_(1 / largest_value).clamp_min_(least_scale);
  // Beyond the largest value libtorch's conversion gives NaN.
  const at::Tensor values = (wide * scales.reciprocal()).clamp_(-largest_value, largest_value);
  return {values.to(at::kFloat8_e4m3fn).contiguous(), scales.contiguous()};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> add_scaled_norm_quantized_reference(
    const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& gamma,
    const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const auto [sum, normed] = add_scaled_norm(x, y, gamma, weight, bias, eps, std::nullopt);
  const auto [values, scales] = quantize_rows_reference(normed);
  return {sum, values, scales};
}

std::tuple<at::Tensor, at::Tensor> swiglu_quantized_reference(const at::Tensor& gate, const at::Tensor& up) {
  check_swiglu(gate, up);
  return quantize_rows_reference(at::silu(gate.to(at::kFloat)) * up.to(at::kFloat));
}

at::Tensor scaled_linear_reference(const at::Tensor& x, const at::Tensor& scales, const at::Tensor& weight,
                                   const at::Tensor& weight_scales, const std::optional<at::Tensor>& bias) {
  check_scaled_linear(x, scales, weight, weight_scales, bias);
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).contiguous();
  const at::Tensor row_scales = scales.reshape({-1, 1}).contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  if (x.is_cuda()) {
    std::optional<at::Tensor> narrow_bias;
    if (bias) narrow_bias = bias->to(at::kBFloat16).contiguous();
    return at::_scaled_mm(rows, weight.contiguous().t(), row_scales, weight_scales.contiguous().unsqueeze(0),
                          narrow_bias, {}, at::kBFloat16, /*use_fast_accum=*/false)
        .reshape(shape);
  }
  at::Tensor y =
      at::linear(rows.to(at::kFloat) * row_scales, weight.to(at::kFloat) * weight_scales.unsqueeze(1));
  if (bias) y = y + bias->to(at::kFloat);
  return y.to(at::kBFloat16).reshape(shape);
}

void implement_quantized_ops(torch::Library& library) {
  library.impl("quantize_rows", quantize_rows_reference);
  library.impl("add_scaled_norm_quantized", add_scaled_norm_quantized_reference);
  library.impl("swiglu_quantized", swiglu_quantized_reference);
  library.impl("scaled_linear", scaled_linear_reference);
}

}  // namespace

TORCH_LIBRARY_IMPL(dinov3_seg, CompositeExplicitAutograd, library) { implement_quantized_ops(library); }
TORCH_LIBRARY_IMPL(dinov3_seg_reference, CompositeExplicitAutograd, library) {
  implement_quantized_ops(library);
}

}  // namespace dinov3_seg
