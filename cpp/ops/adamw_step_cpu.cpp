// adamw_step on the CPU: one pass for the norms, one for everything else.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <vector>

#include "ops/cpu_variants.h"
#include "ops/score_checks.h"
#include "ops/score_ops.h"
#include "ops/simd.h"

namespace dinov3_seg {
namespace {

// Norms are summed by blocks of this many values, so that their bits depend on no number of threads.
constexpr int64_t block_values = 4096;

struct AdamwInputs {
  float *value, *gradient, *exp_avg, *exp_avg_sq;  // N×P
  const float* coefficients;                       // N×adamw_coefficients
  const float* norms;                              // N
  int64_t parameters;
  float beta1, beta2, epsilon;
};

template <int L>
DINOV3_SEG_INLINE void sum_squares(const float* values, int64_t count, double& sum) {
  simd::Floats<L> squares[2] = {};
  int64_t i = 0;
  for (; i + 2 * L <= count; i += 2 * L) {
    const auto a = simd::load<L>(values + i), b = simd::load<L>(values + i + L);
    squares[0] += a * a;
    squares[1] += b * b;
  }
  sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(values[i]) * values[i];
  squares[0] += squares[1];
  for (int lane = 0; lane < L; ++lane) sum += squares[0][lane];
}

DINOV3_SEG_VARIANTS(best_sum_squares, sum_squares, (const float* values, int64_t count, double& sum),
                    (values, count, sum))

/// Values begin … end of a head. A plain loop: the compiler makes vectors of it (-O3, and no errno for the
/// root).
template <int L>
DINOV3_SEG_INLINE void update(const AdamwInputs& in, int64_t head, int64_t begin, int64_t end) {
  const float* c = in.coefficients + head * adamw_coefficients;
  const float ratio = c[max_norm] / (in.norms[head] + 1e-6F);
  const float clip = ratio > 1 ? 1 : ratio, kept = c[decay], step = c[step_size], root = c[root_correction2];
  const float new1 = 1 - in.beta1, beta2 = in.beta2, new2 = 1 - in.beta2, epsilon = in.epsilon;
  const int64_t offset = head * in.parameters;
  float* __restrict value = in.value + offset;
  float* __restrict gradient = in.gradient + offset;
  float* __restrict exp_avg = in.exp_avg + offset;
  float* __restrict exp_avg_sq = in.exp_avg_sq + offset;
  for (int64_t i = begin; i < end; ++i) {
    const float g = gradient[i] * clip;
    const float m = exp_avg[i] + (g - exp_avg[i]) * new1;
    const float v = exp_avg_sq[i] * beta2 + g * g * new2;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    value[i] = value[i] * kept - m / (std::sqrt(v) / root + epsilon) * step;
    gradient[i] = 0;
  }
}

DINOV3_SEG_VARIANTS(best_update, update, (const AdamwInputs& in, int64_t head, int64_t begin, int64_t end),
                    (in, head, begin, end))

at::Tensor adamw_step_cpu(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg,
                          at::Tensor& exp_avg_sq, const at::Tensor& given_coefficients, double beta1,
                          double beta2, double epsilon) {
  static const auto squares = best_sum_squares();
  static const auto update = best_update();
  check_adamw(value, gradient, exp_avg, exp_avg_sq, given_coefficients);
  const int64_t heads = value.size(0), parameters = value.size(1);
  const int64_t blocks = (parameters + block_values - 1) / block_values;
  const at::Tensor coefficients = given_coefficients.contiguous();
  const at::Tensor norms = at::empty({heads}, value.options());
  const AdamwInputs in{value.mutable_data_ptr<float>(),
                       gradient.mutable_data_ptr<float>(),
                       exp_avg.mutable_data_ptr<float>(),
                       exp_avg_sq.mutable_data_ptr<float>(),
                       coefficients.const_data_ptr<float>(),
                       norms.const_data_ptr<float>(),
                       parameters,
                       static_cast<float>(beta1),
                       static_cast<float>(beta2),
                       static_cast<float>(epsilon)};
  std::vector<double> sums(static_cast<size_t>(heads * blocks));
  const auto each_block = [&](auto use) {
    at::parallel_for(0, heads * blocks, 4, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task % blocks * block_values;
        use(task, task / blocks, first, std::min(first + block_values, parameters));
      }
    });
  };
  each_block([&](int64_t task, int64_t head, int64_t begin, int64_t end) {
    squares(in.gradient + head * parameters + begin, end - begin, sums[static_cast<size_t>(task)]);
  });
  for (int64_t head = 0; head < heads; ++head) {
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += sums[static_cast<size_t>(head * blocks + block)];
    norms.mutable_data_ptr<float>()[head] = static_cast<float>(std::sqrt(sum));
  }
  each_block([&](int64_t, int64_t head, int64_t begin, int64_t end) {
    if (in.coefficients[head * adamw_coefficients + active] > 0)
      update(in, head, begin, end);
    else
      std::fill_n(in.gradient + head * parameters + begin, end - begin, 0.0F);
  });
  return norms;
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("adamw_step", adamw_step_cpu); }

}  // namespace
}  // namespace dinov3_seg
