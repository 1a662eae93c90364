// Pieces of the score kernels.
#pragma once

#include "ops/cuda/kernels.h"
#include "ops/resize_cells.h"

namespace dinov3_seg::cuda {

constexpr float log2_e = 1.4426950408889634F, ln_2 = 0.6931471805599453F, nll_epsilon = 1e-6F;
constexpr int uncounted = 255;

/// 2^x to 2 ulp, 0 for x below −126.
__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// The plane (image · N + head) of a launch over `range`.
__device__ __forceinline__ int64_t plane_of(const ScoreArguments& in, const HeadRange& range, int64_t index) {
  return index / range.count * in.heads + range.first + index % range.count;
}

__device__ __forceinline__ float weight_of(const ScoreArguments& in, int64_t head, int label) {
  return in.class_weights ? in.class_weights[head * in.classes + label] : 1.0F;
}

/// Four values of a grid and how they are mixed.
struct Corners {
  int64_t near_near, near_far, far_near, far_far;  // places in a grid: row, column
};

__device__ __forceinline__ int clamped(int64_t index, int size) {
  return static_cast<int>(index < 0 ? 0 : index >= size ? size - 1 : index);
}

__device__ __forceinline__ Corners corners_of(const ScoreArguments& in, int64_t cell_row,
                                              int64_t cell_column) {
  const int64_t near = static_cast<int64_t>(clamped(cell_row - 1, in.grid_height)) * in.grid_width;
  const int64_t far = static_cast<int64_t>(clamped(cell_row, in.grid_height)) * in.grid_width;
  const int left = clamped(cell_column - 1, in.grid_width), right = clamped(cell_column, in.grid_width);
  return {near + left, near + right, far + left, far + right};
}

__device__ __forceinline__ float mixed(float near, float far, float weight) {
  return fmaf(weight, far - near, near);
}

__device__ __forceinline__ float mixed(const float* grid, const Corners& at, float down, float across) {
  const float left = mixed(__ldg(grid + at.near_near), __ldg(grid + at.far_near), down);
  const float right = mixed(__ldg(grid + at.near_far), __ldg(grid + at.far_far), down);
  return mixed(left, right, across);
}

}  // namespace dinov3_seg::cuda
