// rotate_qkv on the CPU: a task takes the queries and keys of a token, in place.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <cstdint>

#include "ops/cpu_variants.h"
#include "ops/network_checks.h"
#include "ops/network_ops.h"
#include "ops/op_math_type.h"
#include "ops/simd.h"
#include "ops/wide_values.h"

namespace dinov3_seg {
namespace {

/// Heads that follow one another, of 2·half channels each; sin, cos 2·half. Plain loops: the compiler makes
/// vectors of them.
template <typename T, typename Real>
DINOV3_SEG_INLINE void rotate_heads(T* heads, int64_t count, int64_t half, const Real* __restrict sin,
                                    const Real* __restrict cos) {
  for (int64_t head = 0; head < count; ++head) {
    T* __restrict low = heads + 2 * half * head;
    T* __restrict high = low + half;
    for (int64_t d = 0; d < half; ++d) {
      const Real a = widened(low[d]), b = widened(high[d]);
      narrow(a * cos[d] - b * sin[d], low[d]);
      narrow(b * cos[half + d] + a * sin[half + d], high[d]);
    }
  }
}

template <int L>
DINOV3_SEG_INLINE void rotate_floats(float* heads, int64_t count, int64_t half, const float* sin,
                                     const float* cos) {
  rotate_heads(heads, count, half, sin, cos);
}
template <int L>
DINOV3_SEG_INLINE void rotate_bfloats(at::BFloat16* heads, int64_t count, int64_t half, const float* sin,
                                      const float* cos) {
  rotate_heads(heads, count, half, sin, cos);
}
template <int L>
DINOV3_SEG_INLINE void rotate_doubles(double* heads, int64_t count, int64_t half, const double* sin,
                                      const double* cos) {
  rotate_heads(heads, count, half, sin, cos);
}

DINOV3_SEG_VARIANTS(best_rotate_floats, rotate_floats,
                    (float* heads, int64_t count, int64_t half, const float* sin, const float* cos),
                    (heads, count, half, sin, cos))
DINOV3_SEG_VARIANTS(best_rotate_bfloats, rotate_bfloats,
                    (at::BFloat16 * heads, int64_t count, int64_t half, const float* sin, const float* cos),
                    (heads, count, half, sin, cos))
DINOV3_SEG_VARIANTS(best_rotate_doubles, rotate_doubles,
                    (double* heads, int64_t count, int64_t half, const double* sin, const double* cos),
                    (heads, count, half, sin, cos))

/// `best`: the best variant for T.
template <typename T, typename Rotate>
void rotate_tokens(const RotateSizes& size, at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos,
                   Rotate best) {
  using Real = OpMathType<T>;
  const int64_t row = size.heads * size.channels, first = size.tokens - size.rotated;
  T* values = qkv.mutable_data_ptr<T>();
  const auto *sines = sin.const_data_ptr<Real>(), *cosines = cos.const_data_ptr<Real>();
  at::parallel_for(0, size.batch * size.rotated, 8, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / size.rotated, place = task % size.rotated;
      // Queries and keys of a token lie together, and its values after them.
      best(values + (image * size.tokens + first + place) * 3 * row, 2 * size.heads, size.channels / 2,
           sines + place * size.channels, cosines + place * size.channels);
    }
  });
}

at::Tensor& rotate_qkv_cpu(at::Tensor& qkv, const at::Tensor& given_sin, const at::Tensor& given_cos) {
  static const auto floats = best_rotate_floats();
  static const auto bfloats = best_rotate_bfloats();
  static const auto doubles = best_rotate_doubles();
  const RotateSizes size = check_rotate(qkv, given_sin, given_cos);
  const at::ScalarType type = qkv.scalar_type();
  // No network computes so on the CPU but in tests.
  if (type == at::kHalf) {
    at::Tensor wide = qkv.to(at::kFloat);
    return qkv.copy_(rotate_qkv_cpu(wide, given_sin, given_cos));
  }
  const at::Tensor sin = given_sin.contiguous(), cos = given_cos.contiguous();
  if (type == at::kDouble)
    rotate_tokens<double>(size, qkv, sin, cos, doubles);
  else if (type == at::kBFloat16)
    rotate_tokens<at::BFloat16>(size, qkv, sin, cos, bfloats);
  else
    rotate_tokens<float>(size, qkv, sin, cos, floats);
  return qkv;
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("rotate_qkv", rotate_qkv_cpu); }

}  // namespace
}  // namespace dinov3_seg
