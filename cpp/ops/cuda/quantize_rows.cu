// Rows, or silu(rows)·up, in e4m3: a block takes a row. Rows of whole packs stay in registers between their
// largest magnitude and the rounding; others are read again.
#include "ops/cuda/quantize.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int most_threads = 512, general_threads = 256;
constexpr int pack = quantized_pack;

template <typename T, bool gated, int count>
__device__ __forceinline__ Pack<float, count> source(const QuantizeArguments& in, int64_t row,
                                                     int64_t column) {
  Pack<float, count> out;
  const auto x = load_pack<count>(static_cast<const T*>(in.x) + row * in.row + column);
  if constexpr (gated) {
    const auto up = load_pack<count>(static_cast<const T*>(in.up) + row * in.up_row + column);
#pragma unroll
    for (int i = 0; i < count; ++i)
      out.values[i] = silu(static_cast<float>(widen(x.values[i]))) * static_cast<float>(widen(up.values[i]));
  } else {
#pragma unroll
    for (int i = 0; i < count; ++i) out.values[i] = static_cast<float>(widen(x.values[i]));
  }
  return out;
}

/// `packs` packs of 8 a thread.
template <typename T, bool gated, int packs>
__global__ void __launch_bounds__(most_threads) rows_kernel(QuantizeArguments in) {
  __shared__ float parts[most_threads / 32];
  const int64_t row = blockIdx.x;
  const int first = static_cast<int>(threadIdx.x) * pack, step = static_cast<int>(blockDim.x) * pack;
  Pack<float, pack> held[packs];
  float most = 0;
#pragma unroll
  for (int k = 0; k < packs; ++k) {
    const int column = first + k * step;
    if (column >= in.columns) continue;
    held[k] = source<T, gated, pack>(in, row, column);
    most = largest_magnitude(most, held[k]);
  }
  store_quantized(held, most, first, step, in.columns, static_cast<Float8*>(in.values) + row * in.columns,
                  in.scales + row, parts);
}

/// Any number of columns and any place of the rows, one value at a time.
template <typename T, bool gated>
__global__ void __launch_bounds__(general_threads) general_rows_kernel(QuantizeArguments in) {
  __shared__ float parts[general_threads / 32];
  const int64_t row = blockIdx.x;
  float most = 0;
  for (int64_t column = threadIdx.x; column < in.columns; column += general_threads)
    most = largest_magnitude(most, source<T, gated, 1>(in, row, column));
  const float scale = row_scale(block_most(most, parts));
  const float inverse = 1.0F / scale;
  if (threadIdx.x == 0) in.scales[row] = scale;
  for (int64_t column = threadIdx.x; column < in.columns; column += general_threads)
    static_cast<Float8*>(in.values)[row * in.columns + column] =
        narrow<Float8>(source<T, gated, 1>(in, row, column).values[0] * inverse);
}

template <typename T, bool gated>
void launch_rows(const QuantizeArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(in.rows);
  const int64_t packs = in.columns / pack;
  // Two packs a thread, four in long rows; longer ones do not stay in registers.
  const int64_t shared_by = packs <= 2 * most_threads ? 2 : 4;
  const int64_t wanted = ((packs + shared_by - 1) / shared_by + 31) / 32 * 32;
  const auto threads = static_cast<unsigned>(wanted);
  if (!in.vectors || wanted > most_threads)
    general_rows_kernel<T, gated><<<grid, general_threads, 0, stream>>>(in);
  else if (shared_by == 2)
    rows_kernel<T, gated, 2><<<grid, threads, 0, stream>>>(in);
  else
    rows_kernel<T, gated, 4><<<grid, threads, 0, stream>>>(in);
}

}  // namespace

void quantize_rows(const QuantizeArguments& in, cudaStream_t stream) {
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    if (in.up)
      launch_rows<T, true>(in, stream);
    else
      launch_rows<T, false>(in, stream);
  });
}

}  // namespace dinov3_seg::cuda
