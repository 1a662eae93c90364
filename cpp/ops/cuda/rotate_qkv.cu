// Rotary position embedding in place: a block takes a token, whose queries' and keys' heads lie in a row; a
// thread takes a pack of each half of a head, and keeps its sines and cosines from one head to the next.
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 128, heads_at_once = 4;

template <typename T, int count>
__global__ void __launch_bounds__(threads) rotate_kernel(RotateArguments in) {
  using Real = OpMathType<T>;
  const int half = in.channels / 2, packs = half / count;
  const int columns = packs < threads ? packs : threads, lanes = threads / columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  if (lane >= lanes) return;
  const int64_t place = blockIdx.x % in.rotated, image = blockIdx.x / in.rotated;
  const int64_t token = image * in.tokens + in.tokens - in.rotated + place;
  T* heads = static_cast<T*>(in.qkv) + token * 3 * in.heads * in.channels;
  const Real* sines = static_cast<const Real*>(in.sin) + place * in.channels;
  const Real* cosines = static_cast<const Real*>(in.cos) + place * in.channels;
  for (int pack = static_cast<int>(threadIdx.x) % columns; pack < packs; pack += columns) {
    const int d = pack * count;
    const auto sin1 = load_pack<count>(sines + d), sin2 = load_pack<count>(sines + half + d);
    const auto cos1 = load_pack<count>(cosines + d), cos2 = load_pack<count>(cosines + half + d);
    for (int head = lane; head < 2 * in.heads; head += heads_at_once * lanes) {
      T* own = heads + static_cast<int64_t>(head) * in.channels + d;
      const int64_t next = static_cast<int64_t>(lanes) * in.channels;
      Pack<T, count> x1[heads_at_once], x2[heads_at_once];
#pragma unroll
      for (int k = 0; k < heads_at_once; ++k) {
        if (head + k * lanes >= 2 * in.heads) break;
        x1[k] = load_pack<count>(own + k * next);
        x2[k] = load_pack<count>(own + k * next + half);
      }
#pragma unroll
      for (int k = 0; k < heads_at_once; ++k) {
        if (head + k * lanes >= 2 * in.heads) break;
#pragma unroll
        for (int i = 0; i < count; ++i) {
          const Real a = widen(x1[k].values[i]), b = widen(x2[k].values[i]);
          x1[k].values[i] = narrow<T>(a * cos1.values[i] - b * sin1.values[i]);
          x2[k].values[i] = narrow<T>(b * cos2.values[i] + a * sin2.values[i]);
        }
        store_pack(own + k * next, x1[k]);
        store_pack(own + k * next + half, x2[k]);
      }
    }
  }
}

}  // namespace

void rotate_qkv(const RotateArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(in.batch * in.rotated);
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    if (in.vectors)
      rotate_kernel<T, pack_of<T>><<<grid, threads, 0, stream>>>(in);
    else
      rotate_kernel<T, 1><<<grid, threads, 0, stream>>>(in);
  });
}

}  // namespace dinov3_seg::cuda
