// AdamW step of all heads: partial sums of squares, then everything else; the step knows the norm without the
// host.
#include "ops/cuda/kernels.h"
#include "ops/cuda/reduce.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;
constexpr int64_t values_of_a_block = 1024, most_blocks = 256;

// As AdamwCoefficient of ops.h, which needs libtorch.
enum Coefficient { decay, step_size, root_correction2, max_norm, active, coefficients };

__global__ void __launch_bounds__(threads) norm_kernel(AdamwArguments in, int64_t blocks, double* partials) {
  __shared__ double parts[threads / 32];
  const int64_t head = blockIdx.x / blocks, block = blockIdx.x % blocks;
  const float* gradient = in.gradient + head * in.parameters;
  double sum = 0;
  for (int64_t i = block * threads + threadIdx.x; i < in.parameters; i += blocks * threads)
    sum += static_cast<double>(gradient[i]) * gradient[i];
  sum = block_sum(sum, parts);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads)
    update_kernel(AdamwArguments in, int64_t blocks, const double* partials, float* norms) {
  __shared__ double parts[threads / 32];
  __shared__ float shared_norm;
  const int64_t head = blockIdx.x / blocks, block = blockIdx.x % blocks;
  const double sum = block_sum(threadIdx.x < blocks ? partials[head * blocks + threadIdx.x] : 0, parts);
  if (threadIdx.x == 0) {
    shared_norm = static_cast<float>(sqrt(sum));
    if (block == 0) norms[head] = shared_norm;
  }
  __syncthreads();
  const float* c = in.coefficients + head * coefficients;
  const bool is_active = c[active] > 0;
  const float ratio = c[max_norm] / (shared_norm + 1e-6F);
  const float clip = ratio > 1 ? 1 : ratio;  // NaN stays NaN
  const int64_t end = (head + 1) * in.parameters;
  for (int64_t i = head * in.parameters + block * threads + threadIdx.x; i < end; i += blocks * threads) {
    const float g = in.gradient[i] * clip;
    in.gradient[i] = 0;
    if (!is_active) continue;
    const float m = in.exp_avg[i] + (g - in.exp_avg[i]) * (1 - in.beta1);
    const float v = in.exp_avg_sq[i] * in.beta2 + g * g * (1 - in.beta2);
    in.exp_avg[i] = m;
    in.exp_avg_sq[i] = v;
    in.value[i] = in.value[i] * c[decay] - m / (sqrtf(v) / c[root_correction2] + in.epsilon) * c[step_size];
  }
}

}  // namespace

static_assert(most_blocks <= threads, "a block sums the partial sums of a head, one a thread");

int64_t norm_blocks(const AdamwArguments& in) {
  const int64_t blocks = (in.parameters + values_of_a_block - 1) / values_of_a_block;
  return blocks < most_blocks ? blocks : most_blocks;
}

void adamw_step(const AdamwArguments& in, double* partials, float* norms, cudaStream_t stream) {
  const int64_t blocks = norm_blocks(in);
  const auto grid = static_cast<unsigned>(in.heads * blocks);
  norm_kernel<<<grid, threads, 0, stream>>>(in, blocks, partials);
  update_kernel<<<grid, threads, 0, stream>>>(in, blocks, partials, norms);
}

}  // namespace dinov3_seg::cuda
