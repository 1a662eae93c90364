// Operators of products in e4m3 (float8_e4m3fn: 4 bits of exponent, 3 of mantissa, largest value 448), as
// network_ops.h. Legend: R rows (all dimensions but the last), C channels, K inputs, N outputs of a linear.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

namespace dinov3_seg {

/// Whether a tensor is in e4m3.
inline bool is_quantized(const at::Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() == at::kFloat8_e4m3fn;
}

/// A row x of C values as e4m3 times a scale:
///   scale  = max(max|x| · (1 / 448), 2^-126)     float32, 1 / 448 too
///   values = e4m3(x · (1 / scale))         in float32; to the nearest, ties to even; at most 448 in
///   magnitude
/// x …×C float32, bfloat16 or float64, which may be a view of columns. Gives values …×C and scales …×1. A row
/// with NaN or an infinite value has NaN among its values. Throws SHAPE for anything else.
std::tuple<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& x);

/// add_scaled_norm() whose norm, in x's dtype, is quantised as by quantize_rows(): sum, values and scales.
std::tuple<at::Tensor, at::Tensor, at::Tensor> add_scaled_norm_quantized(
    const at::Tensor& x, const at::Tensor& y, const std::optional<at::Tensor>& gamma,
    const at::Tensor& weight, const at::Tensor& bias, double eps);

/// swiglu(), computed in float32 and quantised as by quantize_rows(). Throws SHAPE as both do.
std::tuple<at::Tensor, at::Tensor> swiglu_quantized(const at::Tensor& gate, const at::Tensor& up);

/// The linear of quantised rows: (x · scales) (weight · weight_scales)ᵀ + bias in bfloat16, sums in float32.
/// x …×K and weight N×K float8_e4m3fn, scales …×1 and weight_scales N float32, bias N floating point. On CUDA
/// libtorch's scaled product with a scale for each row of both, for which K and N are multiples of 16; on
/// other devices a float32 product of the values that x and weight stand for. Throws SHAPE for anything else.
at::Tensor scaled_linear(const at::Tensor& x, const at::Tensor& scales, const at::Tensor& weight,
                         const at::Tensor& weight_scales, const std::optional<at::Tensor>& bias);

}  // namespace dinov3_seg
