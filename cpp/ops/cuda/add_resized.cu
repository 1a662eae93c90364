// x + a resized map: a thread takes a pack of channels of a few pixels side by side, and reads a column of
// the map's grid once for all of them that lie beside it.
#include "ops/cuda/linear_interpolation.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;
constexpr int run = 8;  // pixels of a thread

int channels_of_a_thread(const AddResizedArguments& in) { return in.vectors ? pack_size(in.x.kind) : 1; }

int blocks_of_a_run(const AddResizedArguments& in) {
  return (in.channels / channels_of_a_thread(in) + threads - 1) / threads;
}

template <typename T>
__device__ __forceinline__ const T* row_of(const MapPlace& map, int64_t image, int64_t row, int channel) {
  return static_cast<const T*>(map.values) + image * map.image + row * map.row + channel;
}

template <typename X, typename Y, int count>
__global__ void __launch_bounds__(threads) add_kernel(AddResizedArguments in, int blocks, int runs) {
  using Real = OpMathType<X>;
  unsigned place = blockIdx.x;
  const int channel = static_cast<int>(place % blocks * threads + threadIdx.x) * count;
  place /= blocks;
  const int first = static_cast<int>(place % runs) * run;
  place /= runs;
  const int row = static_cast<int>(place % in.height);
  const int64_t image = place / in.height;
  if (channel >= in.channels) return;

  const auto vertical = linear_interpolation<Real>(row, in.grid_height, in.height);
  const Y* near = row_of<Y>(in.y, image, vertical.near, channel);
  const Y* far = row_of<Y>(in.y, image, vertical.far, channel);
  const auto read_column = [&](int column, Real(&values)[count]) {
    const auto above = load_pack<count>(near + column * in.y.column);
    const auto below = load_pack<count>(far + column * in.y.column);
#pragma unroll
    for (int i = 0; i < count; ++i)
      values[i] = interpolate<Real>(widen(above.values[i]), widen(below.values[i]), vertical.share);
  };
  Pack<Real, count> scale, shift;
  if (in.scale) {
    scale = load_pack<count>(static_cast<const Real*>(in.scale) + channel);
    shift = load_pack<count>(static_cast<const Real*>(in.shift) + channel);
  }
  const X* x = row_of<X>(in.x, image, row, channel);
  Real* out = static_cast<Real*>(in.out) + (image * in.height + row) * in.width * in.channels + channel;
  Real left[count], right[count];
  int left_column = -1, right_column = -1;
  const int end = min(first + run, in.width);
  for (int column = first; column < end; ++column) {
    const auto own = load_pack<count>(x + column * in.x.column);
    const auto across = linear_interpolation<Real>(column, in.grid_width, in.width);
    if (across.near != left_column) {
      if (across.near == right_column) {
#pragma unroll
        for (int i = 0; i < count; ++i) left[i] = right[i];
      } else {
        read_column(across.near, left);
      }
      left_column = across.near;
    }
    if (across.far != right_column) {
      read_column(across.far, right);
      right_column = across.far;
    }
    Pack<Real, count> sum;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      sum.values[i] = widen(own.values[i]) + interpolate(left[i], right[i], across.share);
      if (in.scale) sum.values[i] = sum.values[i] * scale.values[i] + shift.values[i];
    }
    store_pack(out + static_cast<int64_t>(column) * in.channels, sum);
  }
}

int runs_of_a_row(const AddResizedArguments& in) { return (in.width + run - 1) / run; }

}  // namespace

int64_t add_resized_blocks(const AddResizedArguments& in) {
  return in.batch * in.height * runs_of_a_row(in) * blocks_of_a_run(in);
}

void add_resized(const AddResizedArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(add_resized_blocks(in));
  const int blocks = blocks_of_a_run(in), runs = runs_of_a_row(in);
  if (in.x.kind == Kind::float64) {
    if (in.vectors)
      add_kernel<double, double, 2><<<grid, threads, 0, stream>>>(in, blocks, runs);
    else
      add_kernel<double, double, 1><<<grid, threads, 0, stream>>>(in, blocks, runs);
    return;
  }
  with_narrow_kind(in.x.kind, [&](auto x) {
    with_narrow_kind(in.y.kind, [&](auto y) {
      using X = typename decltype(x)::Value;
      using Y = typename decltype(y)::Value;
      if constexpr (meet<X, Y>) {
        if (in.vectors)
          add_kernel<X, Y, pack_of<X>><<<grid, threads, 0, stream>>>(in, blocks, runs);
        else
          add_kernel<X, Y, 1><<<grid, threads, 0, stream>>>(in, blocks, runs);
      }
    });
  });
}

}  // namespace dinov3_seg::cuda
