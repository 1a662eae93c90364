// Group norm of tokens, in three steps: mean and squares of chunks of tokens, the statistics of a group from
// those of its chunks, and the norm. Chunks are of one size whatever the device, so that the bits are as
// well.
#include <type_traits>

#include "ops/cuda/reduce.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;
constexpr int chunk = 128;         // tokens
constexpr int tokens_a_block = 4;  // of the last step

template <int count>
using Count = std::integral_constant<int, count>;

/// A block takes a group's values of a chunk: their mean, and the sum of squares about it.
template <typename T, int count>
__global__ void __launch_bounds__(threads) moments_kernel(GroupNormArguments in, unsigned chunks) {
  using Real = OpMathType<T>;
  __shared__ Real parts[threads / 32];
  const unsigned part = blockIdx.x % chunks, group = blockIdx.x / chunks % in.groups;
  const int64_t image = blockIdx.x / chunks / in.groups;
  const unsigned width = in.channels / in.groups, packs = width / count;
  const int64_t first = static_cast<int64_t>(part) * chunk;
  const auto tokens = static_cast<unsigned>(in.tokens - first < chunk ? in.tokens - first : chunk);
  const T* x = static_cast<const T*>(in.x) + image * in.image + first * in.token + group * width;
  const auto sum_of = [&](auto of) {
    Real sum = 0;
#pragma unroll 4
    for (unsigned i = threadIdx.x; i < tokens * packs; i += threads) {
      const auto pack = load_pack<count>(x + i / packs * in.token + i % packs * count);
#pragma unroll
      for (int k = 0; k < count; ++k) sum += of(widen(pack.values[k]));
    }
    return block_total(sum, parts);
  };
  const Real mean = sum_of([](Real value) { return value; }) / static_cast<Real>(tokens * width);
  const Real squares = sum_of([mean](Real value) { return (value - mean) * (value - mean); });
  if (threadIdx.x == 0) {
    Real* moments = static_cast<Real*>(in.moments) + 2 * static_cast<int64_t>(blockIdx.x);
    moments[0] = mean;
    moments[1] = squares;
  }
}

/// A warp takes a group: the mean of the chunks' means, and their squares brought about it.
template <typename Real>
__global__ void __launch_bounds__(32) statistics_kernel(GroupNormArguments in, unsigned chunks) {
  const Real* moments = static_cast<const Real*>(in.moments) + 2 * static_cast<int64_t>(blockIdx.x) * chunks;
  const double width = in.channels / in.groups, all = width * static_cast<double>(in.tokens);
  const auto values_of = [&](unsigned part) {
    const int64_t left = in.tokens - static_cast<int64_t>(part) * chunk;
    return width * static_cast<double>(left < chunk ? left : chunk);
  };
  double sum = 0;
  for (unsigned part = threadIdx.x; part < chunks; part += 32) sum += values_of(part) * moments[2 * part];
  const double mean = __shfl_sync(whole_warp, warp_sum(sum), 0) / all;
  double squares = 0;
  for (unsigned part = threadIdx.x; part < chunks; part += 32) {
    const double off = moments[2 * part] - mean;
    squares += moments[2 * part + 1] + values_of(part) * off * off;
  }
  squares = warp_sum(squares);
  if (threadIdx.x == 0) {
    Real* statistics = static_cast<Real*>(in.statistics) + 2 * static_cast<int64_t>(blockIdx.x);
    statistics[0] = static_cast<Real>(mean);
    statistics[1] = static_cast<Real>(1.0 / sqrt(squares / all + in.eps));
  }
}

template <typename T, int count>
__global__ void __launch_bounds__(threads) norm_kernel(GroupNormArguments in, unsigned blocks) {
  using Real = OpMathType<T>;
  const unsigned stretches = static_cast<unsigned>((in.tokens + tokens_a_block - 1) / tokens_a_block);
  const int channel = static_cast<int>(blockIdx.x % blocks * threads + threadIdx.x) * count;
  const unsigned stretch = blockIdx.x / blocks % stretches;
  const int64_t image = blockIdx.x / blocks / stretches;
  if (channel >= in.channels) return;
  const int group = channel / (in.channels / in.groups);
  const Real* statistics = static_cast<const Real*>(in.statistics) + 2 * (image * in.groups + group);
  const Real mean = statistics[0], scale = statistics[1];
  const auto weight = load_pack<count>(static_cast<const Real*>(in.weight) + channel);
  const auto bias = load_pack<count>(static_cast<const Real*>(in.bias) + channel);
#pragma unroll
  for (int t = 0; t < tokens_a_block; ++t) {
    const int64_t token = static_cast<int64_t>(stretch) * tokens_a_block + t;
    if (token >= in.tokens) return;
    const auto x =
        load_pack<count>(static_cast<const T*>(in.x) + image * in.image + token * in.token + channel);
    Pack<Real, count> out;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const Real normed = (widen(x.values[i]) - mean) * scale * weight.values[i] + bias.values[i];
      out.values[i] = in.relu && normed < 0 ? 0 : normed;
    }
    store_pack(static_cast<Real*>(in.out) + (image * in.tokens + token) * in.channels + channel, out);
  }
}

int64_t blocks_of_a_token(const GroupNormArguments& in) {
  const int count = in.vectors ? pack_size(in.kind) : 1;
  return (in.channels / count + threads - 1) / threads;
}

int64_t norm_blocks(const GroupNormArguments& in) {
  return in.batch * ((in.tokens + tokens_a_block - 1) / tokens_a_block) * blocks_of_a_token(in);
}

}  // namespace

int64_t group_norm_chunks(int64_t tokens) { return (tokens + chunk - 1) / chunk; }

int64_t group_norm_blocks(const GroupNormArguments& in) {
  const int64_t moments = in.batch * in.groups * group_norm_chunks(in.tokens), norm = norm_blocks(in);
  return moments > norm ? moments : norm;
}

void group_norm_tokens(const GroupNormArguments& in, cudaStream_t stream) {
  const auto chunks = static_cast<unsigned>(group_norm_chunks(in.tokens));
  const auto groups = static_cast<unsigned>(in.batch * in.groups);
  const auto grid = static_cast<unsigned>(norm_blocks(in)),
             blocks = static_cast<unsigned>(blocks_of_a_token(in));
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    const auto run = [&](auto count) {
      moments_kernel<T, count.value><<<groups * chunks, threads, 0, stream>>>(in, chunks);
      statistics_kernel<OpMathType<T>><<<groups, 32, 0, stream>>>(in, chunks);
      norm_kernel<T, count.value><<<grid, threads, 0, stream>>>(in, blocks);
    };
    if (in.vectors)
      run(Count<pack_of<T>>{});
    else
      run(Count<1>{});
  });
}

}  // namespace dinov3_seg::cuda
