// The best class of each pixel: a thread mixes its pixel's four grid values class by class.
#include "ops/cuda/linear_interpolation.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;

template <typename T>
__global__ void __launch_bounds__(threads) argmax_kernel(ArgmaxArguments in, int64_t blocks) {
  using Real = OpMathType<T>;
  const int64_t image = blockIdx.x / blocks;
  const int64_t pixel = blockIdx.x % blocks * threads + threadIdx.x;
  const int64_t size = static_cast<int64_t>(in.height) * in.width;
  if (pixel >= size) return;
  const auto row = linear_interpolation<Real>(pixel / in.width, in.grid_height, in.height);
  const auto column = linear_interpolation<Real>(pixel % in.width, in.grid_width, in.width);
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const T* grid = static_cast<const T*>(in.scores) + image * in.classes * step;
  const T* near = grid + static_cast<int64_t>(row.near) * in.grid_width;
  const T* far = grid + static_cast<int64_t>(row.far) * in.grid_width;
  Real most = 0;
  int best = 0;
#pragma unroll 4
  for (int k = 0; k < in.classes; ++k) {
    const int64_t plane = k * step;
    const Real left =
        interpolate(widen(near[plane + column.near]), widen(far[plane + column.near]), row.share);
    const Real right =
        interpolate(widen(near[plane + column.far]), widen(far[plane + column.far]), row.share);
    const Real score = interpolate(left, right, column.share);
    // NaN is above all, as libtorch has it.
    if (k == 0 || (!(score <= most) && most == most)) {
      most = score;
      best = k;
    }
  }
  in.best[image * size + pixel] = static_cast<uint8_t>(best);
}

int64_t blocks_of_an_image(const ArgmaxArguments& in) {
  return (static_cast<int64_t>(in.height) * in.width + threads - 1) / threads;
}

}  // namespace

int64_t argmax_blocks(const ArgmaxArguments& in) { return in.batch * blocks_of_an_image(in); }

void argmax_resized(const ArgmaxArguments& in, cudaStream_t stream) {
  const int64_t blocks = blocks_of_an_image(in);
  const auto grid = static_cast<unsigned>(argmax_blocks(in));
  with_kind(in.kind, [&](auto type) {
    using T = typename decltype(type)::Value;
    argmax_kernel<T><<<grid, threads, 0, stream>>>(in, blocks);
  });
}

}  // namespace dinov3_seg::cuda
