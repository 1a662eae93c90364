// silu(gate)·up: a thread takes a pack of a row's values, a block a stretch of a row.
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;

int64_t blocks_of_a_row(const SwigluArguments& in) {
  const int64_t items = in.vectors ? in.columns / pack_size(in.kind) : in.columns;
  return (items + threads - 1) / threads;
}

template <typename T, int count>
__global__ void __launch_bounds__(threads) swiglu_kernel(SwigluArguments in, int64_t blocks) {
  const int64_t row = blockIdx.x / blocks, block = blockIdx.x % blocks;
  const int64_t column = (block * threads + threadIdx.x) * count;
  if (column >= in.columns) return;
  const auto gate = load_pack<count>(static_cast<const T*>(in.gate) + row * in.gate_row + column);
  const auto up = load_pack<count>(static_cast<const T*>(in.up) + row * in.up_row + column);
  Pack<T, count> out;
#pragma unroll
  for (int i = 0; i < count; ++i)
    out.values[i] = narrow<T>(silu(widen(gate.values[i])) * widen(up.values[i]));
  store_pack(static_cast<T*>(in.out) + row * in.columns + column, out);
}

}  // namespace

int64_t swiglu_blocks(const SwigluArguments& in) { return in.rows * blocks_of_a_row(in); }

void swiglu(const SwigluArguments& in, cudaStream_t stream) {
  const int64_t blocks = blocks_of_a_row(in);
  const auto grid = static_cast<unsigned>(swiglu_blocks(in));
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    if (in.vectors)
      swiglu_kernel<T, pack_of<T>><<<grid, threads, 0, stream>>>(in, blocks);
    else
      swiglu_kernel<T, 1><<<grid, threads, 0, stream>>>(in, blocks);
  });
}

}  // namespace dinov3_seg::cuda
