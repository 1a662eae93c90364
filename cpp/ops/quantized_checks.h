// What the operators of quantized_ops.h take, checked alike by every kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "core/error.h"
#include "ops/network_checks.h"

namespace dinov3_seg {

inline void check_quantized_rows(const at::Tensor& x) {
  if (x.dim() == 0 || x.numel() == 0 || !is_computed(x.scalar_type()))
    fail("SHAPE", "expected rows …×C float32, bfloat16 or float64, got ", x.sizes(), " ", x.scalar_type());
}

/// The shape of the scales of rows of this shape: …×1.
inline std::vector<int64_t> scales_shape(at::IntArrayRef rows) {
  std::vector<int64_t> shape = rows.vec();
  shape.back() = 1;
  return shape;
}

inline void check_scaled_linear(const at::Tensor& x, const at::Tensor& scales, const at::Tensor& weight,
                                const at::Tensor& weight_scales, const std::optional<at::Tensor>& bias) {
  const auto check = [&](const char* name, const at::Tensor& tensor, at::IntArrayRef shape,
                         at::ScalarType type) {
    if (tensor.sizes() != shape || tensor.scalar_type() != type || tensor.device() != x.device())
      fail("SHAPE", "expected ", name, " ", shape, " ", type, " on ", x.device(), ", got ", tensor.sizes(),
           " ", tensor.scalar_type(), " on ", tensor.device());
  };
  if (x.dim() == 0 || weight.dim() != 2 || x.numel() == 0 || weight.numel() == 0)
    fail("SHAPE", "expected x …×K and weight N×K, got ", x.sizes(), " and ", weight.sizes());
  check("x", x, x.sizes(), at::kFloat8_e4m3fn);
  check("weight", weight, {weight.size(0), x.size(-1)}, at::kFloat8_e4m3fn);
  check("scales", scales, scales_shape(x.sizes()), at::kFloat);
  check("weight scales", weight_scales, {weight.size(0)}, at::kFloat);
  if (bias) check_values("bias", *bias, {weight.size(0)}, x.device());
}

}  // namespace dinov3_seg
