// A cell (resize_cells.h) as a thread of score_gradient.cu has it: pixels, labels, scores, and where its
// gradient goes.
#pragma once

#include "ops/cuda/reduce.cuh"
#include "ops/cuda/score_math.cuh"

namespace dinov3_seg::cuda {

/// A cell's pixels along an axis: the first, how many (≤ T), and the weights of the far grid value, from the
/// first pixel's in even steps.
template <int T>
struct Span {
  int first, count;
  float far, step;

  __device__ __forceinline__ Span(int cell, int size, int target) {
    first = static_cast<int>(cell_start(cell, size, target));
    count = static_cast<int>(cell_start(cell + 1, size, target)) - first;
    const bool is_inside = cell > 0 && cell < size;
    // As cell_place() has it.
    const int64_t offset =
        static_cast<int64_t>(2 * first + 1) * size - target - static_cast<int64_t>(cell - 1) * 2 * target;
    far = cell == 0                ? 1.0F
          : is_inside && count > 0 ? static_cast<float>(offset) / static_cast<float>(2 * target)
                                   : 0.0F;
    step = is_inside ? static_cast<float>(size) / static_cast<float>(target) : 0.0F;
  }

  __device__ __forceinline__ float far_of(int pixel) const {
    return fmaf(static_cast<float>(pixel), step, far);
  }
};

/// Gradient at a cell's corners: `left` and `right` column, near and far row together; `_far` the far row
/// alone.
struct CornerSums {
  float left = 0, left_far = 0, right = 0, right_far = 0;

  /// A row of pixels: Σ e and Σ e·(weight of the right column).
  __device__ __forceinline__ void add(float all, float to_right, float down) {
    const float to_left = all - to_right;
    left += to_left;
    left_far = fmaf(to_left, down, left_far);
    right += to_right;
    right_far = fmaf(to_right, down, right_far);
  }
};

template <int T>
struct Pixels {
  uint32_t labels[T];  // a row each, a byte each
  int lowest, highest;

  __device__ __forceinline__ int label(int row, int column) const { return labels[row] >> 8 * column & 255; }
};

template <int T>
__device__ __forceinline__ Pixels<T> read_labels(const ScoreArguments& in, int64_t image, bool is_cell,
                                                 const Span<T>& rows, const Span<T>& columns) {
  Pixels<T> pixels;
  pixels.lowest = uncounted;
  pixels.highest = -1;
#pragma unroll
  for (int t = 0; t < T; ++t) {
    pixels.labels[t] = 0xffffffffU;
    if (!is_cell || t >= rows.count) continue;
    const uint8_t* row =
        in.labels + (image * in.height + rows.first + t) * static_cast<int64_t>(in.width) + columns.first;
#pragma unroll
    for (int u = 0; u < T; ++u) {
      if (u >= columns.count) continue;
      const int label = row[u];
      if (label >= in.classes) continue;
      pixels.labels[t] ^= static_cast<uint32_t>(label ^ 255) << 8 * u;
      pixels.lowest = min(pixels.lowest, label);
      pixels.highest = max(pixels.highest, label);
    }
  }
  return pixels;
}

/// Puts a class's corner sums where they belong. Every value of the gradient gets two sums, of the cells
/// above and below it; 0 + a + b = 0 + b + a, so that atomic additions give the same bits in either order.
struct Emitter {
  float* gradient;  // of the plane
  int64_t step;     // grid values of a class
  int row, column, grid_height, grid_width;
  bool owned;
  float4* edges;  // shared, warps×K: a warp's right edge (near, far row), then its left one

  __device__ __forceinline__ void add(int k, float near, float far) const {
    float* to = gradient + k * step + static_cast<int64_t>(row) * grid_width + column - 1;
    if (row > 0) atomicAdd(to - grid_width, near);
    if (row < grid_height) atomicAdd(to, far);
  }

  __device__ __forceinline__ void operator()(int k, int classes, const CornerSums& sums) const {
    const float near_right = sums.right - sums.right_far, near_left = sums.left - sums.left_far;
    const float near = near_left + __shfl_up_sync(whole_warp, near_right, 1);
    const float far = sums.left_far + __shfl_up_sync(whole_warp, sums.right_far, 1);
    const unsigned lane = threadIdx.x % 32;
    float4& edge = edges[threadIdx.x / 32 * classes + k];
    if (lane == 31) {
      edge.x = near_right;
      edge.y = sums.right_far;
    }
    if (lane == 0) {
      edge.z = near_left;
      edge.w = sums.left_far;
    } else if (owned && column > 0) {
      add(k, near, far);
    }
  }
};

}  // namespace dinov3_seg::cuda
