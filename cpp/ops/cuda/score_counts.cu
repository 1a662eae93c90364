// Confusion counts of the best class of each pixel: a thread takes some pixels, a block counts in shared
// memory.
#include "ops/cuda/score_math.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256, pixels_of_a_thread = 8;
constexpr int64_t pixels_of_a_block = threads * pixels_of_a_thread;
constexpr size_t most_shared = 48 << 10;  // bytes; more of it has to be asked for

using Count = unsigned long long;

/// A plane and a stretch of its pixels. Without shared counts (K > 110) they are added to global memory one
/// by one.
template <bool has_shared>
__global__ void __launch_bounds__(threads) counts_kernel(ScoreArguments in, int64_t blocks, Count* counts) {
  extern __shared__ unsigned block_counts[];
  const int64_t block = blockIdx.x % blocks, plane = blockIdx.x / blocks;
  const int64_t size = static_cast<int64_t>(in.height) * in.width;
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const int pairs = in.classes * in.classes;
  counts += plane * pairs;
  if (has_shared) {
    for (int i = static_cast<int>(threadIdx.x); i < pairs; i += threads) block_counts[i] = 0;
    __syncthreads();
  }
  for (int i = 0; i < pixels_of_a_thread; ++i) {
    const int64_t pixel = block * pixels_of_a_block + i * threads + threadIdx.x;
    const int label = pixel < size ? in.labels[plane / in.heads * size + pixel] : uncounted;
    if (label >= in.classes) continue;
    const CellPlace row = cell_place(pixel / in.width, in.grid_height, in.height);
    const CellPlace column = cell_place(pixel % in.width, in.grid_width, in.width);
    const Corners at = corners_of(in, row.cell, column.cell);
    const float* grid = in.scores + plane * in.classes * step;
    float most = mixed(grid, at, row.far, column.far);
    int best = 0;
    for (int k = 1; k < in.classes; ++k) {
      const float score = mixed(grid + k * step, at, row.far, column.far);
      if (score > most) {
        most = score;
        best = k;
      }
    }
    if (has_shared)
      atomicAdd(&block_counts[label * in.classes + best], 1U);
    else
      atomicAdd(&counts[label * in.classes + best], Count{1});
  }
  if (!has_shared) return;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < pairs; i += threads)
    if (block_counts[i] != 0) atomicAdd(&counts[i], Count{block_counts[i]});
}

}  // namespace

void score_counts(const ScoreArguments& in, int64_t* counts, cudaStream_t stream) {
  const int64_t size = static_cast<int64_t>(in.height) * in.width;
  const int64_t blocks = (size + pixels_of_a_block - 1) / pixels_of_a_block;
  const auto grid = static_cast<unsigned>(in.batch * in.heads * blocks);
  const size_t shared = sizeof(unsigned) * static_cast<size_t>(in.classes) * static_cast<size_t>(in.classes);
  auto* to = reinterpret_cast<Count*>(counts);
  if (shared <= most_shared)
    counts_kernel<true><<<grid, threads, shared, stream>>>(in, blocks, to);
  else
    counts_kernel<false><<<grid, threads, 0, stream>>>(in, blocks, to);
}

}  // namespace dinov3_seg::cuda
