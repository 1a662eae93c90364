// deformable_attend on the CPU: a task takes the heads of a query, finds what its points read, and adds it up
// in vectors over the channels.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu_variants.h"
#include "ops/network_checks.h"
#include "ops/network_ops.h"
#include "ops/op_math_type.h"
#include "ops/sample_point.h"
#include "ops/simd.h"
#include "ops/wide_values.h"

namespace dinov3_seg {
namespace {

/// sums[D] = Σ over points and their corners of weight · value. `nothing`: D zeros, for what lies beyond a
/// map. Plain loops: the compiler makes vectors of them.
template <typename T, typename Real>
DINOV3_SEG_INLINE void add_points(const T* value, int64_t token_stride, const SamplePoint<Real>* points,
                                  int64_t count, int64_t channels, const T* nothing, Real* __restrict sums) {
  for (int64_t d = 0; d < channels; ++d) sums[d] = 0;
  for (int64_t k = 0; k < count; ++k) {
    const T* from[4];
    for (int corner = 0; corner < 4; ++corner)
      from[corner] = points[k].tokens[corner] < 0 ? nothing : value + points[k].tokens[corner] * token_stride;
    const T *a = from[0], *b = from[1], *c = from[2], *e = from[3];
    const Real wa = points[k].weights[0], wb = points[k].weights[1], wc = points[k].weights[2],
               we = points[k].weights[3];
    for (int64_t d = 0; d < channels; ++d)
      sums[d] += (wa * widened(a[d]) + wb * widened(b[d])) + (wc * widened(c[d]) + we * widened(e[d]));
  }
}

template <int L>
DINOV3_SEG_INLINE void add_floats(const float* value, int64_t token_stride, const SamplePoint<float>* points,
                                  int64_t count, int64_t channels, const float* nothing, float* sums) {
  add_points(value, token_stride, points, count, channels, nothing, sums);
}
template <int L>
DINOV3_SEG_INLINE void add_bfloats(const at::BFloat16* value, int64_t token_stride,
                                   const SamplePoint<float>* points, int64_t count, int64_t channels,
                                   const at::BFloat16* nothing, float* sums) {
  add_points(value, token_stride, points, count, channels, nothing, sums);
}
template <int L>
DINOV3_SEG_INLINE void add_doubles(const double* value, int64_t token_stride,
                                   const SamplePoint<double>* points, int64_t count, int64_t channels,
                                   const double* nothing, double* sums) {
  add_points(value, token_stride, points, count, channels, nothing, sums);
}

DINOV3_SEG_VARIANTS(best_add_floats, add_floats,
                    (const float* value, int64_t token_stride, const SamplePoint<float>* points,
                     int64_t count, int64_t channels, const float* nothing, float* sums),
                    (value, token_stride, points, count, channels, nothing, sums))
DINOV3_SEG_VARIANTS(best_add_bfloats, add_bfloats,
                    (const at::BFloat16* value, int64_t token_stride, const SamplePoint<float>* points,
                     int64_t count, int64_t channels, const at::BFloat16* nothing, float* sums),
                    (value, token_stride, points, count, channels, nothing, sums))
DINOV3_SEG_VARIANTS(best_add_doubles, add_doubles,
                    (const double* value, int64_t token_stride, const SamplePoint<double>* points,
                     int64_t count, int64_t channels, const double* nothing, double* sums),
                    (value, token_stride, points, count, channels, nothing, sums))

/// `add`: the best variant for T. Offsets and logits are contiguous and of the dtype that is computed in.
template <typename T, typename Add>
void attend(const DeformableSizes& size, const at::Tensor& value, at::IntArrayRef sizes,
            const at::Tensor& reference, const at::Tensor& offsets, const at::Tensor& logits,
            const at::Tensor& out, Add add) {
  using Real = OpMathType<T>;
  const int64_t count = size.levels * size.points, width = size.heads * size.channels;
  const std::vector<T> nothing(static_cast<size_t>(size.channels), T(0));
  const T* values = value.const_data_ptr<T>();
  const Real *places = reference.const_data_ptr<Real>(), *shifts = offsets.const_data_ptr<Real>(),
             *scores = logits.const_data_ptr<Real>();
  T* to = out.mutable_data_ptr<T>();
  at::parallel_for(0, size.batch * size.queries, 8, [&](int64_t begin, int64_t end) {
    std::vector<SamplePoint<Real>> points(static_cast<size_t>(count));
    std::vector<Real> sums(static_cast<size_t>(size.channels));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / size.queries, query = task % size.queries;
      for (int64_t head = 0; head < size.heads; ++head) {
        const Real* logit = scores + (task * size.heads + head) * count;
        const Real* shift = shifts + (task * size.heads + head) * count * 2;
        const Real most = *std::max_element(logit, logit + count);
        Real total = 0;
        for (int64_t k = 0; k < count; ++k) total += std::exp(logit[k] - most);
        int start = 0;
        for (int64_t k = 0; k < count; ++k) {
          const auto level = static_cast<size_t>(k / size.points);
          const int map_height = static_cast<int>(sizes[2 * level]),
                    map_width = static_cast<int>(sizes[2 * level + 1]);
          const Real x = places[2 * query] + shift[2 * k] / static_cast<Real>(map_width);
          const Real y = places[2 * query + 1] + shift[2 * k + 1] / static_cast<Real>(map_height);
          points[static_cast<size_t>(k)] =
              sample_point(x, y, map_height, map_width, start, std::exp(logit[k] - most) / total);
          if ((k + 1) % size.points == 0) start += map_height * map_width;
        }
        add(values + image * value.stride(0) + head * size.channels, value.stride(1), points.data(), count,
            size.channels, nothing.data(), sums.data());
        T* own = to + task * width + head * size.channels;
        for (int64_t d = 0; d < size.channels; ++d) own[d] = static_cast<T>(sums[static_cast<size_t>(d)]);
      }
    }
  });
}

at::Tensor deformable_attend_cpu(const at::Tensor& given_value, at::IntArrayRef sizes,
                                 const at::Tensor& given_reference, const at::Tensor& given_offsets,
                                 const at::Tensor& given_logits) {
  // No network computes so on the CPU but in tests.
  if (given_value.scalar_type() == at::kHalf)
    return deformable_attend_cpu(given_value.to(at::kFloat), sizes, given_reference, given_offsets,
                                 given_logits)
        .to(at::kHalf);
  static const auto floats = best_add_floats();
  static const auto bfloats = best_add_bfloats();
  static const auto doubles = best_add_doubles();
  const DeformableSizes size =
      check_deformable(given_value, sizes, given_reference, given_offsets, given_logits);
  const at::ScalarType type = given_value.scalar_type(), wide = to_op_math_type(type);
  const bool is_dense = (size.channels == 1 || given_value.stride(3) == 1) &&
                        (size.heads == 1 || given_value.stride(2) == size.channels);
  const at::Tensor value = is_dense ? given_value : given_value.contiguous();
  const at::Tensor reference = given_reference.to(wide).contiguous();
  const at::Tensor offsets = given_offsets.to(wide).contiguous(), logits = given_logits.to(wide).contiguous();
  const at::Tensor out = at::empty({size.batch, size.queries, size.heads * size.channels}, value.options());
  if (type == at::kDouble)
    attend<double>(size, value, sizes, reference, offsets, logits, out, doubles);
  else if (type == at::kBFloat16)
    attend<at::BFloat16>(size, value, sizes, reference, offsets, logits, out, bfloats);
  else
    attend<float>(size, value, sizes, reference, offsets, logits, out, floats);
  return out;
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("deformable_attend", deformable_attend_cpu); }

}  // namespace
}  // namespace dinov3_seg
