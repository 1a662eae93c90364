// Pixels of each column of a table of features: a thread looks up the columns of some pixels that follow one
// another, and a block counts in shared memory.
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;
constexpr int own_pixels = 16;  // of a thread: a vector of bytes
constexpr int table_size = 256;

struct alignas(16) Bytes {
  uint8_t at[own_pixels];
};

__device__ __forceinline__ Bytes load(const uint8_t* from, int count, bool vectors) {
  Bytes bytes{};
  if (vectors && count == own_pixels) return *reinterpret_cast<const Bytes*>(from);
#pragma unroll
  for (int i = 0; i < own_pixels; ++i)
    if (i < count) bytes.at[i] = from[i];
  return bytes;
}

__global__ void __launch_bounds__(threads) counts_kernel(CountArguments in, unsigned long long* counts) {
  __shared__ uint8_t tables[most_layers * table_size];
  __shared__ unsigned block_counts[table_size + 1];  // of at most 255 columns, none, and excluded ones
  const int thread = static_cast<int>(threadIdx.x), none = in.columns, bins = in.columns + 2;
  for (int i = thread; i < in.layers * table_size; i += threads) tables[i] = in.tables[i];
  for (int i = thread; i < bins; i += threads) block_counts[i] = 0;
  __syncthreads();
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * threads + thread) * own_pixels;
  const int64_t left = in.pixels - first;
  const int count = left < own_pixels ? static_cast<int>(left > 0 ? left : 0) : own_pixels;
  if (count > 0) {
    int bin[own_pixels];
#pragma unroll
    for (int& own : bin) own = none;
    for (int layer = 0; layer < in.layers; ++layer) {
      const Bytes classes = load(in.maps[layer] + first, count, in.vectors);
#pragma unroll
      for (int i = 0; i < own_pixels; ++i) {
        const int column = tables[layer * table_size + classes.at[i]];
        if (column < in.columns) bin[i] = column;
      }
    }
    if (in.excluded != nullptr) {
      const Bytes excluded = load(in.excluded + first, count, in.vectors);
#pragma unroll
      for (int i = 0; i < own_pixels; ++i)
        if (excluded.at[i] != 0) bin[i] = none + 1;
    }
    // Neighbours mostly have one column: they are added together.
    unsigned run = 0;
#pragma unroll
    for (int i = 0; i < own_pixels; ++i) {
      if (i >= count) continue;
      ++run;
      if (i + 1 < own_pixels && i + 1 < count && bin[i + 1 < own_pixels ? i + 1 : i] == bin[i]) continue;
      atomicAdd(&block_counts[bin[i]], run);
      run = 0;
    }
  }
  __syncthreads();
  for (int i = thread; i < bins; i += threads)
    if (block_counts[i] != 0) atomicAdd(&counts[i], static_cast<unsigned long long>(block_counts[i]));
}

}  // namespace

int64_t count_blocks(const CountArguments& in) {
  constexpr int64_t pixels = threads * own_pixels;
  return (in.pixels + pixels - 1) / pixels;
}

void count_classes(const CountArguments& in, int64_t* counts, cudaStream_t stream) {
  counts_kernel<<<static_cast<unsigned>(count_blocks(in)), threads, 0, stream>>>(
      in, reinterpret_cast<unsigned long long*>(counts));
}

}  // namespace dinov3_seg::cuda
