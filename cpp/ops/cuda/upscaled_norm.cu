// Layer norm of a depthwise convolution of what each place of a map becomes: a block takes a few pixels side
// by side, a thread a pack of their channels, which stay in registers between convolution, mean and variance.
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int most_threads = 512, general_threads = 256;
constexpr int pack = 4, run = 8;

/// A pixel of the upscaled map in x, where the four that a place becomes lie one after the other.
__device__ __forceinline__ int64_t offset_of(const UpscaledArguments& in, int64_t image, int row,
                                             int column) {
  const int64_t place = (image * in.height + row / 2) * in.width + column / 2;
  return (place * 4 + row % 2 * 2 + column % 2) * in.channels;
}

__host__ __device__ int runs_of_a_row(const UpscaledArguments& in) { return (2 * in.width + run - 1) / run; }

/// Sums of `count` values over the block, in every thread, always in the same order.
template <int count>
__device__ __forceinline__ void block_totals(float (&values)[count], float (*parts)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i)
    for (int offset = 16; offset > 0; offset /= 2)
      values[i] += __shfl_xor_sync(whole_warp, values[i], offset);
  __syncthreads();
  if (threadIdx.x % 32 == 0)
#pragma unroll
    for (int i = 0; i < count; ++i) parts[threadIdx.x / 32][i] = values[i];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < count; ++i) values[i] = 0;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp)
#pragma unroll
    for (int i = 0; i < count; ++i) values[i] += parts[warp][i];
}

template <typename T, typename To>
__global__ void __launch_bounds__(most_threads) upscaled_kernel(UpscaledArguments in, unsigned runs) {
  __shared__ float parts[most_threads / 32][run];
  const int rows = 2 * in.height, columns = 2 * in.width;
  const int first = static_cast<int>(blockIdx.x % runs) * run;
  const auto row = static_cast<int>(blockIdx.x / runs % rows);
  const int64_t image = blockIdx.x / runs / rows;
  const int channel = static_cast<int>(threadIdx.x) * pack;
  const bool active = channel < in.channels;

  float sums[run][pack] = {};
  if (active) {
    Pack<float, pack> weight[9];
#pragma unroll
    for (int tap = 0; tap < 9; ++tap)
      weight[tap] = load_pack<pack>(static_cast<const float*>(in.weight) + tap * in.channels + channel);
#pragma unroll
    for (int i = 0; i < run + 2; ++i) {
      const int column = first + i - 1;
      if (column < 0 || column >= columns) continue;
#pragma unroll
      for (int r = 0; r < 3; ++r) {
        if (row + r - 1 < 0 || row + r - 1 >= rows) continue;
        const auto values = load_pack<pack>(static_cast<const T*>(in.x) +
                                            offset_of(in, image, row + r - 1, column) + channel);
#pragma unroll
        for (int tap = 0; tap < 3; ++tap) {
          const int pixel = i - tap;
          if (pixel < 0 || pixel >= run) continue;
#pragma unroll
          for (int k = 0; k < pack; ++k)
            sums[pixel][k] += widen(values.values[k]) * weight[3 * r + tap].values[k];
        }
      }
    }
  }

  const auto channels = static_cast<float>(in.channels);
  float mean[run], scale[run];
#pragma unroll
  for (int pixel = 0; pixel < run; ++pixel) {
    mean[pixel] = 0;
#pragma unroll
    for (int k = 0; k < pack; ++k) mean[pixel] += sums[pixel][k];
  }
  block_totals<run>(mean, parts);
#pragma unroll
  for (int pixel = 0; pixel < run; ++pixel) {
    mean[pixel] /= channels;
    scale[pixel] = 0;
#pragma unroll
    for (int k = 0; k < pack; ++k) {
      const float off = sums[pixel][k] - mean[pixel];
      if (active) scale[pixel] += off * off;
    }
  }
  block_totals<run>(scale, parts);
  if (!active) return;
  const auto w = load_pack<pack>(static_cast<const float*>(in.norm_weight) + channel);
  const auto b = load_pack<pack>(static_cast<const float*>(in.norm_bias) + channel);
  To* out = static_cast<To*>(in.out) + ((image * rows + row) * columns + first) * in.channels + channel;
#pragma unroll
  for (int pixel = 0; pixel < run; ++pixel) {
    if (first + pixel >= columns) break;
    const float factor = 1.0F / sqrtf(scale[pixel] / channels + static_cast<float>(in.eps));
    Pack<To, pack> result;
#pragma unroll
    for (int k = 0; k < pack; ++k)
      result.values[k] = narrow<To>((sums[pixel][k] - mean[pixel]) * factor * w.values[k] + b.values[k]);
    store_pack(out + static_cast<int64_t>(pixel) * in.channels, result);
  }
}

/// Any number of channels: a block takes a pixel, and computes what it needs again.
template <typename T, typename To>
__global__ void __launch_bounds__(general_threads) general_kernel(UpscaledArguments in) {
  using Real = OpMathType<T>;
  __shared__ Real parts[general_threads / 32];
  const int rows = 2 * in.height, columns = 2 * in.width;
  const auto column = static_cast<int>(blockIdx.x % columns);
  const auto row = static_cast<int>(blockIdx.x / columns % rows);
  const int64_t image = blockIdx.x / columns / rows;
  const auto* weight = static_cast<const Real*>(in.weight);
  const auto convolved = [&](int channel) {
    Real sum = 0;
    for (int tap = 0; tap < 9; ++tap) {
      const int r = row + tap / 3 - 1, c = column + tap % 3 - 1;
      if (r < 0 || r >= rows || c < 0 || c >= columns) continue;
      const T value = static_cast<const T*>(in.x)[offset_of(in, image, r, c) + channel];
      sum += widen(value) * weight[static_cast<int64_t>(tap) * in.channels + channel];
    }
    return sum;
  };
  Real total = 0;
  for (int c = threadIdx.x; c < in.channels; c += general_threads) total += convolved(c);
  const Real mean = block_total(total, parts) / static_cast<Real>(in.channels);
  Real squares = 0;
  for (int c = threadIdx.x; c < in.channels; c += general_threads) {
    const Real off = convolved(c) - mean;
    squares += off * off;
  }
  const Real variance = block_total(squares, parts) / static_cast<Real>(in.channels);
  const Real scale = static_cast<Real>(1) / sqrt(variance + static_cast<Real>(in.eps));
  const auto *w = static_cast<const Real*>(in.norm_weight), *b = static_cast<const Real*>(in.norm_bias);
  To* out = static_cast<To*>(in.out) + static_cast<int64_t>(blockIdx.x) * in.channels;
  for (int c = threadIdx.x; c < in.channels; c += general_threads)
    out[c] = narrow<To>((convolved(c) - mean) * scale * w[c] + b[c]);
}

bool in_registers(const UpscaledArguments& in) {
  return in.vectors && in.channels % pack == 0 && in.channels <= most_threads * pack;
}

}  // namespace

int64_t upscaled_blocks(const UpscaledArguments& in) {
  return in.batch * 2 * in.height * (in_registers(in) ? runs_of_a_row(in) : 2 * in.width);
}

void upscaled_norm(const UpscaledArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(upscaled_blocks(in));
  if (in_registers(in)) {
    const auto threads = static_cast<unsigned>((in.channels / pack + 31) / 32 * 32);
    with_narrow_kind(in.kind, [&](auto type) {
      with_narrow_kind(in.to_kind, [&](auto to) {
        using T = typename decltype(type)::Value;
        using To = typename decltype(to)::Value;
        if constexpr (meet<T, To>)
          upscaled_kernel<T, To><<<grid, threads, 0, stream>>>(in, static_cast<unsigned>(runs_of_a_row(in)));
      });
    });
    return;
  }
  with_kind(in.kind, [&](auto type) {
    with_kind(in.to_kind, [&](auto to) {
      using T = typename decltype(type)::Value;
      using To = typename decltype(to)::Value;
      if constexpr (meet<T, To>) general_kernel<T, To><<<grid, general_threads, 0, stream>>>(in);
    });
  });
}

}  // namespace dinov3_seg::cuda
