// What boxes add to attention logits: an MLP of where each row and column of the map lies, and the sums of
// both for its places. A block takes a tile of queries and up to 8 heads: first both axes' values into shared
// memory, a thread a few places at a time and the hidden units one after the other, then the sums, a warp a
// row of places.
#include <algorithm>

#include "ops/cuda/reduce.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 128, warps = threads / 32;
constexpr int heads_together = 8, places_together = 2, most_queries = 4;
constexpr int units_together = 128;
constexpr size_t most_shared = 48 << 10;  // that a kernel has without asking for more

/// A unit of the hidden layer: what the pixels to both edges count in it, and it in each head.
template <typename Real>
struct alignas(16) Unit {
  Real low, high, shift, unused;
  Real heads[heads_together];
};

template <typename Real>
size_t shared_bytes(const BoxBiasArguments& in, int queries) {
  const auto places = static_cast<size_t>(in.width) + static_cast<size_t>(in.height);
  return units_together * sizeof(Unit<Real>) +
         static_cast<size_t>(queries) * heads_together * places * sizeof(Real);
}

size_t shared_bytes(const BoxBiasArguments& in, int queries) {
  return in.kind == Kind::float64 ? shared_bytes<double>(in, queries) : shared_bytes<float>(in, queries);
}

/// Queries of a block: as many as its threads have places for.
int queries_of_a_block(const BoxBiasArguments& in) {
  int queries = std::clamp(threads * places_together / std::max(in.height, in.width), 1, most_queries);
  while (queries > 1 && shared_bytes(in, queries) > most_shared) --queries;
  return queries;
}

unsigned groups_of_heads(const BoxBiasArguments& in) {
  return static_cast<unsigned>((in.heads + heads_together - 1) / heads_together);
}

template <typename Real>
__device__ void load_units(Unit<Real>* units, const BoxAxis& axis, int first, int hidden, int first_head,
                           int heads) {
  const auto *to_edges = static_cast<const Real*>(axis.hidden), *shift = static_cast<const Real*>(axis.shift),
             *weight = static_cast<const Real*>(axis.weight);
  for (int i = static_cast<int>(threadIdx.x); i < units_together && first + i < hidden; i += threads) {
    Unit<Real> unit{};
    unit.low = to_edges[2 * (first + i)];
    unit.high = to_edges[2 * (first + i) + 1];
    unit.shift = shift[first + i];
    for (int head = 0; head < heads; ++head)
      unit.heads[head] = weight[static_cast<int64_t>(first_head + head) * hidden + first + i];
    units[i] = unit;
  }
}

/// The values of one axis, to `table` [query][head][place] with `stride` values a head.
template <typename Real>
__device__ void fill_axis(const BoxBiasArguments& in, int number, const Real* boxes, int queries,
                          int first_head, int heads, Unit<Real>* units, Real* table, int stride) {
  const BoxAxis& axis = in.axes[number];
  const int places = number == 0 ? in.width : in.height, items = queries * places;
  for (int begin = 0; begin < items; begin += threads * places_together) {
    Real low[places_together], high[places_together], sums[places_together][heads_together] = {};
#pragma unroll
    for (int i = 0; i < places_together; ++i) {
      const int item = min(begin + static_cast<int>(threadIdx.x) + i * threads, items - 1);
      const Real* box = boxes + 4 * (item / places) + number;
      const Real centre =
          (static_cast<Real>(item % places) + static_cast<Real>(0.5)) * static_cast<Real>(in.stride);
      const Real half = box[2] / 2;
      low[i] = box[0] - half - centre;
      high[i] = box[0] + half - centre;
    }
    for (int first = 0; first < in.hidden; first += units_together) {
      __syncthreads();
      load_units(units, axis, first, in.hidden, first_head, heads);
      __syncthreads();
      const int count = min(units_together, in.hidden - first);
      for (int k = 0; k < count; ++k) {
        const Unit<Real> unit = units[k];
#pragma unroll
        for (int i = 0; i < places_together; ++i) {
          const Real value = low[i] * unit.low + (high[i] * unit.high + unit.shift);
          const Real active = value < 0 ? 0 : value;  // NaN stays
#pragma unroll
          for (int head = 0; head < heads_together; ++head) sums[i][head] += active * unit.heads[head];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < places_together; ++i) {
      const int item = begin + static_cast<int>(threadIdx.x) + i * threads;
      if (item >= items) continue;
      Real* to = table + item / places * heads_together * stride + item % places;
#pragma unroll
      for (int head = 0; head < heads_together; ++head) to[head * stride] = sums[i][head];
    }
  }
}

/// Values less the largest of them, by a warp.
template <typename Real>
__device__ void lower(Real* values, int count, int lane) {
  Real most = values[0];
  for (int i = lane; i < count; i += 32) most = max(most, values[i]);
  for (int offset = 16; offset > 0; offset /= 2) most = max(most, __shfl_xor_sync(whole_warp, most, offset));
  for (int i = lane; i < count; i += 32) values[i] -= most;
}

template <typename Real, typename To>
__global__ void __launch_bounds__(threads) box_bias_kernel(BoxBiasArguments in, int tile, unsigned tiles) {
  extern __shared__ uint4 shared[];
  auto* units = reinterpret_cast<Unit<Real>*>(shared);
  auto* table = reinterpret_cast<Real*>(units + units_together);
  const int stride = in.width + in.height;
  const int64_t image = blockIdx.x / tiles;
  const int first_query = static_cast<int>(blockIdx.x % tiles) * tile;
  const int queries = min(tile, in.queries - first_query);
  const int first_head = static_cast<int>(blockIdx.y) * heads_together;
  const int heads = min(heads_together, in.heads - first_head);
  const Real* boxes = static_cast<const Real*>(in.boxes) + 4 * (image * in.queries + first_query);
  fill_axis(in, 0, boxes, queries, first_head, heads, units, table, stride);
  fill_axis(in, 1, boxes, queries, first_head, heads, units, table + in.width, stride);
  __syncthreads();

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  // Two values at a time, which a warp reads without many of them being in one bank.
  constexpr int pair = 2;
  const int step_rows = 32 * pair / in.width, step_columns = 32 * pair % in.width;
  for (int row = warp; row < queries * heads; row += warps) {
    const int query = row / heads, head = row % heads;
    Real* x = table + (query * heads_together + head) * stride;
    Real* y = x + in.width;
    lower(x, in.width, lane);
    lower(y, in.height, lane);
    __syncwarp();
    To* out = static_cast<To*>(in.out) +
              ((image * in.heads + first_head + head) * in.queries + first_query + query) * in.row;
    int r = lane * pair / in.width, c = lane * pair % in.width;
    for (int64_t place = lane * pair; place < in.row; place += 32 * pair) {
      Pack<To, pair> values;
      int own_row = r, own_column = c;
#pragma unroll
      for (int i = 0; i < pair; ++i) {
        // Beyond the map: what fills the row up.
        values.values[i] =
            narrow<To>(own_row < in.height ? y[own_row] + x[own_column] : static_cast<Real>(0));
        if (++own_column == in.width) {
          own_column = 0;
          ++own_row;
        }
      }
      store_pack(out + place, values);
      r += step_rows;
      c += step_columns;
      if (c >= in.width) {
        c -= in.width;
        ++r;
      }
    }
  }
}

template <typename Real, typename To>
void launch_bias(const BoxBiasArguments& in, cudaStream_t stream) {
  const int tile = queries_of_a_block(in);
  const auto tiles = static_cast<unsigned>((in.queries + tile - 1) / tile);
  const dim3 grid(static_cast<unsigned>(in.batch) * tiles, groups_of_heads(in));
  box_bias_kernel<Real, To><<<grid, threads, shared_bytes<Real>(in, tile), stream>>>(in, tile, tiles);
}

}  // namespace

int64_t box_bias_blocks(const BoxBiasArguments& in) {
  if (shared_bytes(in, 1) > most_shared) return 0;
  const int tile = queries_of_a_block(in);
  return in.batch * ((in.queries + tile - 1) / tile);
}

void box_bias(const BoxBiasArguments& in, cudaStream_t stream) {
  if (in.kind == Kind::float64)
    with_kind(in.to_kind,
              [&](auto type) { launch_bias<double, typename decltype(type)::Value>(in, stream); });
  else
    with_kind(in.to_kind, [&](auto type) { launch_bias<float, typename decltype(type)::Value>(in, stream); });
}

}  // namespace dinov3_seg::cuda
