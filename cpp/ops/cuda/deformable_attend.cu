// Deformable attention: a group of lanes takes a query's head. The group weighs its points and finds what
// they read once, in shared memory; then each lane adds up a pack of channels.
#include "ops/cuda/values.cuh"
#include "ops/sample_point.h"

namespace dinov3_seg::cuda {
namespace {

constexpr unsigned whole_warp = 0xffffffffU;
constexpr int threads = 256;
constexpr int points_at_once = 16;
constexpr int smallest_group = 8;
// A block takes neighbouring queries of one head: what they read overlaps.
constexpr int queries_of_a_block = 32;

int group_size(const DeformableArguments& in) {
  const int packs = in.vectors ? in.channels / pack_size(in.value_kind) : in.channels;
  int group = smallest_group;
  while (group < packs && group < 32) group *= 2;
  return group;
}

template <typename Real>
__device__ __forceinline__ Real exponential(Real x);
template <>
__device__ __forceinline__ float exponential(float x) {
  return expf(x);
}
template <>
__device__ __forceinline__ double exponential(double x) {
  return exp(x);
}

template <typename Real>
__device__ __forceinline__ Real group_max(Real value, int group) {
  for (int offset = group / 2; offset > 0; offset /= 2) {
    const Real other = __shfl_xor_sync(whole_warp, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

template <typename Real>
__device__ __forceinline__ Real group_sum(Real value, int group) {
  for (int offset = group / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(whole_warp, value, offset);
  return value;
}

/// Adds the samples of `count` points to a lane's channels, which start at `value`.
template <typename T, int pack, typename Real>
__device__ __forceinline__ void add_samples(const T* value, int token_stride, const SamplePoint<Real>* points,
                                            int count, Real* sums) {
#pragma unroll 2
  for (int k = 0; k < count; ++k) {
    const auto tokens = load_pack<4>(points[k].tokens);
    const auto weights = load_pack<4>(points[k].weights);
    Pack<T, pack> read[4];
#pragma unroll
    for (int corner = 0; corner < 4; ++corner) {
      read[corner] = Pack<T, pack>{};
      if (tokens.values[corner] >= 0)
        read[corner] = load_pack<pack>(value + static_cast<int64_t>(tokens.values[corner]) * token_stride);
    }
#pragma unroll
    for (int corner = 0; corner < 4; ++corner)
#pragma unroll
      for (int i = 0; i < pack; ++i) sums[i] += weights.values[corner] * widen(read[corner].values[i]);
  }
}

/// T: dtype of the values, P: of offsets and logits; `pack` values are read at once.
template <typename T, typename P, int pack>
__global__ void __launch_bounds__(threads) attend_kernel(DeformableArguments in, int group, int64_t blocks) {
  using Real = OpMathType<T>;
  __shared__ SamplePoint<Real> shared[threads / smallest_group * points_at_once];
  const int lane = static_cast<int>(threadIdx.x) % group, own = static_cast<int>(threadIdx.x) / group;
  SamplePoint<Real>* points = shared + own * points_at_once;
  const int head = static_cast<int>(blockIdx.x % in.heads);
  const int64_t stretch = blockIdx.x / in.heads % blocks, image = blockIdx.x / in.heads / blocks;
  const int count = in.levels * in.points, step = threads / group;
  const T* value =
      static_cast<const T*>(in.value) + image * in.value_batch + static_cast<int64_t>(head) * in.channels;
  for (int i = own; i < queries_of_a_block; i += step) {
    // Lanes beyond the last query go along with it, for the sake of their warp, and write nothing.
    const int64_t asked = stretch * queries_of_a_block + i;
    const int64_t query = asked < in.queries ? asked : in.queries - 1;
    const P* logits = static_cast<const P*>(in.logits) + image * in.logits_batch + query * in.logits_query +
                      static_cast<int64_t>(head) * count;
    const P* offsets = static_cast<const P*>(in.offsets) + image * in.offsets_batch +
                       query * in.offsets_query + static_cast<int64_t>(head) * count * 2;
    const Real* reference = static_cast<const Real*>(in.reference) + query * 2;
    Real most = widen(logits[0]);
    for (int k = lane; k < count; k += group) {
      const Real logit = widen(logits[k]);
      most = logit > most ? logit : most;
    }
    most = group_max(most, group);
    Real total = 0;
    for (int k = lane; k < count; k += group) total += exponential(widen(logits[k]) - most);
    total = group_sum(total, group);
    for (int first = 0; first < in.channels; first += group * pack) {
      const int channel = first + lane * pack;
      Real sums[pack] = {};
      for (int begin = 0; begin < count; begin += points_at_once) {
        const int end = begin + points_at_once < count ? begin + points_at_once : count;
        __syncwarp();
        for (int k = begin + lane; k < end; k += group) {
          const Level& level = in.level[k / in.points];
          const Real x =
              reference[0] + static_cast<Real>(widen(offsets[2 * k])) / static_cast<Real>(level.width);
          const Real y =
              reference[1] + static_cast<Real>(widen(offsets[2 * k + 1])) / static_cast<Real>(level.height);
          const Real weight = exponential(widen(logits[k]) - most) / total;
          points[k - begin] = sample_point(x, y, level.height, level.width, level.start, weight);
        }
        __syncwarp();
        if (channel < in.channels)
          add_samples<T, pack>(value + channel, in.value_token, points, end - begin, sums);
      }
      if (channel < in.channels && asked < in.queries) {
        Pack<T, pack> out;
#pragma unroll
        for (int c = 0; c < pack; ++c) out.values[c] = narrow<T>(sums[c]);
        store_pack(static_cast<T*>(in.out) + ((image * in.queries + query) * in.heads + head) * in.channels +
                       channel,
                   out);
      }
    }
  }
}

int64_t blocks_of_a_head(const DeformableArguments& in) {
  return (in.queries + queries_of_a_block - 1) / queries_of_a_block;
}

}  // namespace

int64_t deformable_blocks(const DeformableArguments& in) {
  return in.batch * blocks_of_a_head(in) * in.heads;
}

void deformable_attend(const DeformableArguments& in, cudaStream_t stream) {
  const int group = group_size(in);
  const int64_t blocks = blocks_of_a_head(in);
  const auto grid = static_cast<unsigned>(deformable_blocks(in));
  if (in.value_kind == Kind::float64) {
    if (in.vectors)
      attend_kernel<double, double, 2><<<grid, threads, 0, stream>>>(in, group, blocks);
    else
      attend_kernel<double, double, 1><<<grid, threads, 0, stream>>>(in, group, blocks);
    return;
  }
  with_narrow_kind(in.value_kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    with_narrow_kind(in.parameter_kind, [&](auto parameter) {
      using P = typename decltype(parameter)::Value;
      if constexpr (meet<T, P>) {
        if (in.vectors)
          attend_kernel<T, P, pack_of<T>><<<grid, threads, 0, stream>>>(in, group, blocks);
        else
          attend_kernel<T, P, 1><<<grid, threads, 0, stream>>>(in, group, blocks);
      }
    });
  });
}

}  // namespace dinov3_seg::cuda
