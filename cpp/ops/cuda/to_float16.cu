// A product's input in float16, and the largest magnitude of what it was: one look at each value for both. A
// thread takes packs of 8 values, a block a stretch of them, and one lane of it the maximum to the device's.
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;
constexpr int pack = 8, packs_a_thread = 4;
constexpr int stretch = threads * pack * packs_a_thread;

/// Magnitudes are ordered as their bits are, infinity is above all numbers and NaN above infinity.
template <typename Real>
__device__ __forceinline__ unsigned magnitude(Real value) {
  return __float_as_uint(fabsf(static_cast<float>(value)));
}

template <typename T, int count>
__global__ void __launch_bounds__(threads) cast_kernel(Float16Arguments in) {
  __shared__ unsigned parts[threads / 32];
  const int64_t first = static_cast<int64_t>(blockIdx.x) * stretch;
  const int64_t end = first + stretch < in.count ? first + stretch : in.count;
  const T* x = static_cast<const T*>(in.x);
  unsigned largest = 0;
#pragma unroll 4
  for (int64_t i = first + static_cast<int64_t>(threadIdx.x) * count; i < end; i += threads * count) {
    const auto values = load_pack<count>(x + i);
    Pack<Float16, count> out;
#pragma unroll
    for (int k = 0; k < count; ++k) {
      const unsigned own = magnitude(widen(values.values[k]));
      largest = own > largest ? own : largest;
      if constexpr (!std::is_same_v<T, Float16>) out.values[k] = narrow<Float16>(widen(values.values[k]));
    }
    if constexpr (!std::is_same_v<T, Float16>) store_pack(static_cast<Float16*>(in.out) + i, out);
  }
  largest = __reduce_max_sync(whole_warp, largest);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = largest;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < threads / 32; ++warp) largest = parts[warp] > largest ? parts[warp] : largest;
  // Few blocks have something to say: an old value costs a needless turn at most.
  if (largest > *static_cast<volatile unsigned*>(in.largest)) atomicMax(in.largest, largest);
}

}  // namespace

int64_t float16_blocks(const Float16Arguments& in) { return (in.count + stretch - 1) / stretch; }

void to_float16(const Float16Arguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(float16_blocks(in));
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    if (in.vectors)
      cast_kernel<T, pack><<<grid, threads, 0, stream>>>(in);
    else
      cast_kernel<T, 1><<<grid, threads, 0, stream>>>(in);
  });
}

}  // namespace dinov3_seg::cuda
