// Losses and gradient for sizes of any ratio: a thread for each pixel, then a warp for each value of the
// gradient, which gathers it from all pixels that it takes part in.
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/score_math.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;

struct PixelLoss {
  float loss, weight;
  // Cross entropy: log2 of (Σ exp / weight), so that 2^(score·log2 e − it) is softmax times weight; nll:
  // weight / Σ.
  float normaliser;
};

__device__ __forceinline__ PixelLoss cross_entropy(const float* grid, int64_t step, int classes,
                                                   const Corners& at, float down, float across, int label,
                                                   float weight) {
  float most = -INFINITY, sum = 0;
  for (int k = 0; k < classes; ++k) most = fmaxf(most, mixed(grid + k * step, at, down, across));
  for (int k = 0; k < classes; ++k)
    sum += power_of_two((mixed(grid + k * step, at, down, across) - most) * log2_e);
  const float log_sum = fmaf(most, log2_e, log2f(sum));
  const float own = mixed(grid + label * step, at, down, across);
  return {weight * fmaf(log2f(sum), ln_2, most - own), weight, log_sum - log2f(weight)};
}

__device__ __forceinline__ PixelLoss nll(const float* grid, int64_t step, int classes, const Corners& at,
                                         float down, float across, int label, float weight) {
  float total = static_cast<float>(classes) * nll_epsilon;
  for (int k = 0; k < classes; ++k) total += mixed(grid + k * step, at, down, across);
  const float own = mixed(grid + label * step, at, down, across) + nll_epsilon;
  return {weight * logf(total / own), weight, weight / total};
}

template <bool is_nll>
__global__ void __launch_bounds__(threads)
    pixel_kernel(ScoreArguments in, HeadRange range, int64_t blocks, float* normalisers, double* partials) {
  __shared__ double parts[threads / 32];
  const int64_t block = blockIdx.x % blocks, plane = plane_of(in, range, blockIdx.x / blocks);
  const int64_t size = static_cast<int64_t>(in.height) * in.width, pixel = block * threads + threadIdx.x;
  PixelLoss result{0, 0, is_nll ? 0 : INFINITY};
  const int label = pixel < size ? in.labels[plane / in.heads * size + pixel] : uncounted;
  if (label < in.classes) {
    const CellPlace row = cell_place(pixel / in.width, in.grid_height, in.height);
    const CellPlace column = cell_place(pixel % in.width, in.grid_width, in.width);
    const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
    const float* grid = in.scores + plane * in.classes * step;
    const Corners at = corners_of(in, row.cell, column.cell);
    const float weight = weight_of(in, plane % in.heads, label);
    result = is_nll ? nll(grid, step, in.classes, at, row.far, column.far, label, weight)
                    : cross_entropy(grid, step, in.classes, at, row.far, column.far, label, weight);
  }
  if (normalisers && pixel < size) normalisers[plane * size + pixel] = result.normaliser;
  const double loss = block_sum(result.loss, parts), weight = block_sum(result.weight, parts);
  if (threadIdx.x == 0) {
    double* to = partials + (plane * blocks + block) * 2;
    to[0] = loss;
    to[1] = weight;
  }
}

/// A warp for each value; the sum over pixels, which may be thousands, is taken in float64.
template <bool is_nll>
__global__ void __launch_bounds__(threads)
    spread_kernel(ScoreArguments in, HeadRange range, const float* normalisers, float* gradient) {
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const int64_t index = blockIdx.x * static_cast<int64_t>(threads / 32) + threadIdx.x / 32;
  const int64_t planes = in.batch * range.count;
  if (index >= planes * in.classes * step) return;
  const int64_t plane = plane_of(in, range, index / (in.classes * step));
  const int k = static_cast<int>(index / step % in.classes);
  const int row = static_cast<int>(index % step / in.grid_width),
            column = static_cast<int>(index % in.grid_width);
  // The pixels of the two cells beside the value, along each axis.
  const int64_t top = cell_start(row, in.grid_height, in.height);
  const int64_t bottom = cell_start(row + 2, in.grid_height, in.height);
  const int64_t left = cell_start(column, in.grid_width, in.width);
  const int64_t right = cell_start(column + 2, in.grid_width, in.width);
  const int64_t size = static_cast<int64_t>(in.height) * in.width;
  const float* grid = in.scores + (plane * in.classes + k) * step;
  const float own_weight = weight_of(in, plane % in.heads, k);
  double sum = 0;
  for (int64_t i = threadIdx.x % 32; i < (bottom - top) * (right - left); i += 32) {
    const int64_t y = top + i / (right - left), x = left + i % (right - left);
    const int label = in.labels[plane / in.heads * size + y * in.width + x];
    if (label >= in.classes) continue;
    const CellPlace down = cell_place(y, in.grid_height, in.height);
    const CellPlace across = cell_place(x, in.grid_width, in.width);
    const float weight =
        (down.cell == row ? down.far : 1 - down.far) * (across.cell == column ? across.far : 1 - across.far);
    const float normaliser = normalisers[plane * size + y * in.width + x];
    const float score = mixed(grid, corners_of(in, down.cell, across.cell), down.far, across.far);
    float amount = is_nll ? normaliser : power_of_two(fmaf(score, log2_e, -normaliser));
    if (label == k) amount -= is_nll ? own_weight / (score + nll_epsilon) : own_weight;
    sum += static_cast<double>(weight) * amount;
  }
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0)
    gradient[(plane * in.classes + k) * step + index % step] = static_cast<float>(sum);
}

__global__ void sum_kernel(const double* partials, int64_t blocks, double* sums) {
  __shared__ double parts[threads / 32];
  const double* from = partials + blockIdx.x * blocks * 2;
  double loss = 0, weight = 0;
  for (int64_t i = threadIdx.x; i < blocks; i += threads) {
    loss += from[2 * i];
    weight += from[2 * i + 1];
  }
  loss = block_sum(loss, parts);
  weight = block_sum(weight, parts);
  if (threadIdx.x != 0) return;
  sums[2 * blockIdx.x] = loss;
  sums[2 * blockIdx.x + 1] = weight;
}

}  // namespace

int64_t pixel_blocks(const ScoreArguments& in) {
  return (static_cast<int64_t>(in.height) * in.width + threads - 1) / threads;
}

void score_losses(const ScoreArguments& in, HeadRange range, bool is_nll, float* normalisers,
                  double* partials, cudaStream_t stream) {
  const int64_t blocks = pixel_blocks(in);
  const auto grid = static_cast<unsigned>(in.batch * range.count * blocks);
  const auto kernel = is_nll ? pixel_kernel<true> : pixel_kernel<false>;
  kernel<<<grid, threads, 0, stream>>>(in, range, blocks, normalisers, partials);
}

void spread_gradient(const ScoreArguments& in, HeadRange range, bool is_nll, const float* normalisers,
                     float* gradient, cudaStream_t stream) {
  const int64_t values = in.batch * range.count * in.classes * in.grid_height * in.grid_width;
  const auto grid = static_cast<unsigned>((values + threads / 32 - 1) / (threads / 32));
  const auto kernel = is_nll ? spread_kernel<true> : spread_kernel<false>;
  kernel<<<grid, threads, 0, stream>>>(in, range, normalisers, gradient);
}

void sum_partials(const double* partials, int64_t planes, int64_t blocks, double* sums, cudaStream_t stream) {
  sum_kernel<<<static_cast<unsigned>(planes), threads, 0, stream>>>(partials, blocks, sums);
}

}  // namespace dinov3_seg::cuda
