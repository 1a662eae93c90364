// gelu of a depthwise convolution of tokens: a thread takes a pack of channels of a few pixels side by side,
// whose weights it reads once.
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 128;
constexpr int run = 4;  // pixels of a thread
constexpr int taps = 9;

__host__ __device__ int runs_of_a_row(const Level& level) { return (level.width + run - 1) / run; }

int64_t runs_of_an_image(const DepthwiseArguments& in) {
  int64_t runs = 0;
  for (int i = 0; i < in.levels; ++i)
    runs += static_cast<int64_t>(in.level[i].height) * runs_of_a_row(in.level[i]);
  return runs;
}

int64_t blocks_of_a_run(const DepthwiseArguments& in) {
  const int count = in.vectors ? pack_size(in.kind) : 1;
  return (in.channels / count + threads - 1) / threads;
}

__device__ __forceinline__ float gelu(float x) { return 0.5F * x * (1.0F + erff(x * 0.70710678118654752F)); }
__device__ __forceinline__ double gelu(double x) { return 0.5 * x * (1.0 + erf(x * 0.70710678118654752)); }

template <typename T, int count>
__global__ void __launch_bounds__(threads)
    depthwise_kernel(DepthwiseArguments in, unsigned runs, unsigned blocks) {
  using Real = OpMathType<T>;
  const int channel = static_cast<int>(blockIdx.x % blocks * threads + threadIdx.x) * count;
  auto place = static_cast<int>(blockIdx.x / blocks % runs);
  const int64_t image = blockIdx.x / blocks / runs;
  if (channel >= in.channels) return;
  Level level = in.level[0];
  int runs_of_row = runs_of_a_row(level);
  for (int i = 0; place >= level.height * runs_of_row;) {
    place -= level.height * runs_of_row;
    level = in.level[++i];
    runs_of_row = runs_of_a_row(level);
  }
  const int row = place / runs_of_row, first = place % runs_of_row * run;

  Real weight[count * taps], bias[count];
  const T* weights = static_cast<const T*>(in.weight) + static_cast<int64_t>(channel) * taps;
  if constexpr (count > 1) {
    const auto packed = load_pack<count * taps>(weights);
#pragma unroll
    for (int i = 0; i < count * taps; ++i) weight[i] = widen(packed.values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < taps; ++i) weight[i] = widen(weights[i]);
  }
#pragma unroll
  for (int i = 0; i < count; ++i) bias[i] = widen(static_cast<const T*>(in.bias)[channel + i]);

  const T* x = static_cast<const T*>(in.x) + image * in.image + level.start * in.token + channel;
  T* out = static_cast<T*>(in.out) + (image * in.tokens + level.start) * in.channels + channel;
  const int end = min(first + run, level.width);
  for (int column = first; column < end; ++column) {
    Real sums[count];
#pragma unroll
    for (int i = 0; i < count; ++i) sums[i] = bias[i];
#pragma unroll
    for (int tap = 0; tap < taps; ++tap) {
      const int r = row + tap / 3 - 1, c = column + tap % 3 - 1;
      if (r < 0 || r >= level.height || c < 0 || c >= level.width) continue;
      const auto values = load_pack<count>(x + (static_cast<int64_t>(r) * level.width + c) * in.token);
#pragma unroll
      for (int i = 0; i < count; ++i) sums[i] += widen(values.values[i]) * weight[i * taps + tap];
    }
    Pack<T, count> result;
#pragma unroll
    for (int i = 0; i < count; ++i) result.values[i] = narrow<T>(gelu(sums[i]));
    store_pack(out + (static_cast<int64_t>(row) * level.width + column) * in.channels, result);
  }
}

}  // namespace

int64_t depthwise_blocks(const DepthwiseArguments& in) {
  return in.batch * runs_of_an_image(in) * blocks_of_a_run(in);
}

void depthwise_gelu(const DepthwiseArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(depthwise_blocks(in));
  const auto runs = static_cast<unsigned>(runs_of_an_image(in)),
             blocks = static_cast<unsigned>(blocks_of_a_run(in));
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    if (in.vectors)
      depthwise_kernel<T, pack_of<T>><<<grid, threads, 0, stream>>>(in, runs, blocks);
    else
      depthwise_kernel<T, 1><<<grid, threads, 0, stream>>>(in, runs, blocks);
  });
}

}  // namespace dinov3_seg::cuda
