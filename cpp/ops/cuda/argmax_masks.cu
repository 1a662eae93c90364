// The best class of each pixel of resized masks: a product of class shares and masks whose result, the scores
// of a stretch of pixels, stays in registers. A block makes the masks of its pixels for some queries in
// shared memory; each thread then adds up the scores of its pixels and classes.
#include "ops/cuda/linear_interpolation.cuh"
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg::cuda {
namespace {

constexpr int lanes = 16;  // of threads over pixels, and over classes
constexpr int threads = lanes * lanes;
constexpr int pixels = 128;  // of a block
constexpr int own_pixels = pixels / lanes;
constexpr int queries_at_once = 16;

struct Best {
  float score;
  int place;  // of the class; -1: none yet
};

/// `by` has a later class. NaN is above all, as libtorch has it.
__device__ __forceinline__ void improve(Best& best, const Best& by) {
  const bool better = !(by.score <= best.score) && best.score == best.score;
  if (by.place >= 0 && (best.place < 0 || better)) best = by;
}

/// A mask's value at a pixel, after the sigmoid.
__device__ __forceinline__ float mask_at(const float* mask, int grid_width,
                                         const LinearInterpolation<float>& row,
                                         const LinearInterpolation<float>& column) {
  const float* near = mask + static_cast<int64_t>(row.near) * grid_width;
  const float* far = mask + static_cast<int64_t>(row.far) * grid_width;
  const float left = interpolate(near[column.near], far[column.near], row.share);
  const float right = interpolate(near[column.far], far[column.far], row.share);
  return 1.0F / (1.0F + expf(-interpolate(left, right, column.share)));
}

/// own_classes: of a thread, of those that are scored at a time.
template <int own_classes>
__global__ void __launch_bounds__(threads, 2) masks_kernel(MasksArguments in, int64_t blocks) {
  constexpr int tile = lanes * own_classes;
  __shared__ float4 values[queries_at_once][pixels / 4];
  __shared__ float weights[queries_at_once][tile];
  __shared__ Best found[lanes][pixels];
  const int64_t image = blockIdx.x / blocks, size = static_cast<int64_t>(in.height) * in.width;
  const int64_t first = blockIdx.x % blocks * pixels;
  const int thread = static_cast<int>(threadIdx.x), across = thread % lanes, down = thread / lanes;

  // Pixels beyond the last one go along with it and are not written.
  const int made = thread % pixels;
  const int64_t pixel = first + made < size ? first + made : size - 1;
  const auto row = linear_interpolation<float>(pixel / in.width, in.grid_height, in.height);
  const auto column = linear_interpolation<float>(pixel % in.width, in.grid_width, in.width);
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const float* masks = in.masks + image * in.queries * step;
  const float* classes = in.query_classes + image * in.queries * in.classes;

  Best best{0.0F, -1};  // of the pixel `thread`, for the threads that have one
  for (int start = 0; start < in.classes; start += tile) {
    float sums[own_pixels][own_classes] = {};
    for (int query = 0; query < in.queries; query += queries_at_once) {
      __syncthreads();
      for (int i = thread / pixels; i < queries_at_once; i += threads / pixels)
        reinterpret_cast<float*>(values[i])[made] =
            query + i < in.queries ? mask_at(masks + (query + i) * step, in.grid_width, row, column) : 0.0F;
      for (int i = thread; i < queries_at_once * tile; i += threads) {
        const int own = query + i / tile, k = start + i % tile;
        weights[i / tile][i % tile] =
            own < in.queries && k < in.classes ? classes[static_cast<int64_t>(own) * in.classes + k] : 0.0F;
      }
      __syncthreads();
#pragma unroll 2
      for (int i = 0; i < queries_at_once; ++i) {
        // Two packs that lie apart: neighbouring threads read neighbouring packs.
        const float4 low = values[i][across], high = values[i][lanes + across];
        const float own[own_pixels] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int k = 0; k < own_classes; ++k) {
          const float weight = weights[i][down * own_classes + k];
#pragma unroll
          for (int p = 0; p < own_pixels; ++p) sums[p][k] += own[p] * weight;
        }
      }
    }
#pragma unroll
    for (int p = 0; p < own_pixels; ++p) {
      Best of_pixel{0.0F, -1};
#pragma unroll
      for (int k = 0; k < own_classes; ++k) {
        const int place = start + down * own_classes + k;
        improve(of_pixel, {sums[p][k], place < in.classes ? place : -1});
      }
      found[down][(p / 4 * lanes + across) * 4 + p % 4] = of_pixel;
    }
    __syncthreads();
    if (thread < pixels)
      for (int i = 0; i < lanes; ++i) improve(best, found[i][thread]);
  }
  if (thread < pixels && first + thread < size)
    in.best[image * size + first + thread] = static_cast<uint8_t>(best.place);
}

int64_t blocks_of_an_image(const MasksArguments& in) {
  return (static_cast<int64_t>(in.height) * in.width + pixels - 1) / pixels;
}

}  // namespace

int64_t masks_blocks(const MasksArguments& in) { return in.batch * blocks_of_an_image(in); }

void argmax_masks(const MasksArguments& in, cudaStream_t stream) {
  const int64_t blocks = blocks_of_an_image(in);
  const auto grid = static_cast<unsigned>(masks_blocks(in));
  if (in.classes <= 2 * lanes)
    masks_kernel<2><<<grid, threads, 0, stream>>>(in, blocks);
  else if (in.classes <= 5 * lanes)
    masks_kernel<5><<<grid, threads, 0, stream>>>(in, blocks);
  else
    masks_kernel<10><<<grid, threads, 0, stream>>>(in, blocks);
}

}  // namespace dinov3_seg::cuda
