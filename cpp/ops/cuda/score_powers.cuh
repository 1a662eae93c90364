// Exponentials of a cell's scores (resize_cells.h) by multiplication. Within a cell a class's score is
// bilinear in the pixel's place, so that of T×T pixels in even steps
//   2^score(t, u) = start · down^t · (right · both^t)^u,
// four exponentials instead of T², and sums over the pixels are polynomials in `right` and `down`.
#pragma once

#include "ops/cuda/score_cell.cuh"

namespace dinov3_seg::cuda {

/// By how much the scores of a cell may differ for this. With 2^±58, of a range of 40, no product leaves
/// float's range, not even those of pixels that the cell has not, up to twice its size away.
constexpr float most_range = 40;

/// The largest of a cell's scores at each corner, in powers of two: what is subtracted from all of a
/// corner's, which adds to each pixel's scores the same for all classes.
struct CornerMaxima {
  float near_near = -INFINITY, near_far = -INFINITY, far_near = -INFINITY, far_far = -INFINITY;
  bool narrow;  // whether the range allows for multiplication

  __device__ __forceinline__ CornerMaxima(const float* grid, int64_t step, int classes, const Corners& at) {
    float least = INFINITY;
#pragma unroll 4
    for (int k = 0; k < classes; ++k, grid += step) {
      const float a = __ldg(grid + at.near_near), b = __ldg(grid + at.near_far);
      const float c = __ldg(grid + at.far_near), d = __ldg(grid + at.far_far);
      near_near = fmaxf(near_near, a);
      near_far = fmaxf(near_far, b);
      far_near = fmaxf(far_near, c);
      far_far = fmaxf(far_far, d);
      least = fminf(least, fminf(fminf(a, b), fminf(c, d)));
    }
    // NaN alone is narrow, and stays NaN.
    narrow = fmaxf(fmaxf(near_near, near_far), fmaxf(far_near, far_far)) - least <= most_range;
    near_near *= log2_e;
    near_far *= log2_e;
    far_near *= log2_e;
    far_far *= log2_e;
  }
};

/// A class's scores less the maxima, in powers of two: that of the cell's first pixel, and by what it grows
/// with each step.
struct BilinearScore {
  float start, right, down, both;

  template <int T>
  __device__ __forceinline__ BilinearScore(const float* grid, const Corners& at, const CornerMaxima& maxima,
                                           const Span<T>& rows, const Span<T>& columns) {
    const float near_near = fmaf(__ldg(grid + at.near_near), log2_e, -maxima.near_near);
    const float near_far = fmaf(__ldg(grid + at.near_far), log2_e, -maxima.near_far);
    const float down_left = fmaf(__ldg(grid + at.far_near), log2_e, -maxima.far_near) - near_near;
    const float down_right = fmaf(__ldg(grid + at.far_far), log2_e, -maxima.far_far) - near_far;
    const float left = fmaf(rows.far, down_left, near_near);
    const float across = fmaf(rows.far, down_right, near_far) - left;
    const float turn = down_right - down_left;
    start = fmaf(columns.far, across, left);
    right = across * columns.step;
    down = fmaf(columns.far, turn, down_left) * rows.step;
    both = turn * (rows.step * columns.step);
  }

  __device__ __forceinline__ float at(int t, int u) const {
    const auto row = static_cast<float>(t), column = static_cast<float>(u);
    return fmaf(column, fmaf(row, both, right), fmaf(row, down, start));
  }
};

/// Adds up what pixels have by their places: Σ g, Σ u·g, Σ t·g, Σ t·u·g.
struct PixelMoments {
  float all = 0, column = 0, row = 0, both = 0;

  template <int T>
  __device__ __forceinline__ CornerSums corners(const Span<T>& rows, const Span<T>& columns) const {
    CornerSums sums;
    const float in_right = fmaf(columns.far, all, columns.step * column);
    const float row_right = fmaf(columns.far, row, columns.step * both);
    const float far = fmaf(rows.far, all, rows.step * row);
    sums.right = in_right;
    sums.right_far = fmaf(rows.far, in_right, rows.step * row_right);
    sums.left = all - in_right;
    sums.left_far = far - sums.right_far;
    return sums;
  }
};

/// sum += 2^score.
template <int T>
__device__ __forceinline__ void add_powers(const BilinearScore& score, float (&sum)[T][T]) {
  float first = power_of_two(score.start), right = power_of_two(score.right);
  const float down = power_of_two(score.down), both = power_of_two(score.both);
#pragma unroll
  for (int t = 0; t < T; ++t) {
    float e = first;
#pragma unroll
    for (int u = 0; u < T; ++u) {
      sum[t][u] += e;
      e *= right;
    }
    first *= down;
    right *= both;
  }
}

/// Moments of 2^score · factor, by Horner's rule: along the columns, then down the rows.
template <int T>
__device__ __forceinline__ PixelMoments moments_of(const BilinearScore& score, const float (&factor)[T][T]) {
  const float start = power_of_two(score.start), down = power_of_two(score.down);
  const float both = power_of_two(score.both);
  float right[T];
  right[0] = power_of_two(score.right);
#pragma unroll
  for (int t = 1; t < T; ++t) right[t] = right[t - 1] * both;
  PixelMoments sums;
#pragma unroll
  for (int t = T - 1; t >= 0; --t) {
    float all = factor[t][T - 1], column = 0;
#pragma unroll
    for (int u = T - 2; u >= 0; --u) {
      column = fmaf(column, right[t], all);
      all = fmaf(all, right[t], factor[t][u]);
    }
    column *= right[t];
    if (t < T - 1) {
      sums.row = fmaf(sums.row, down, sums.all);
      sums.both = fmaf(sums.both, down, sums.column);
    }
    sums.all = fmaf(sums.all, down, all);
    sums.column = fmaf(sums.column, down, column);
  }
  sums.all *= start;
  sums.column *= start;
  sums.row *= start * down;
  sums.both *= start * down;
  return sums;
}

/// Takes a label's weight away, of the pixels that have it.
template <int T>
__device__ __forceinline__ void take_label(PixelMoments& sums, const Pixels<T>& pixels, int label,
                                           float weight) {
  unsigned all = 0, column = 0, row = 0, both = 0;
#pragma unroll
  for (int t = 0; t < T; ++t) {
    const unsigned same = __vcmpeq4(pixels.labels[t], static_cast<unsigned>(label) * 0x01010101U);
    const unsigned count = __dp4a(same & 0x01010101U, 0x01010101U, 0U);
    const unsigned place = __dp4a(same & 0x01010101U, 0x03020100U, 0U);
    all += count;
    column += place;
    row += static_cast<unsigned>(t) * count;
    both += static_cast<unsigned>(t) * place;
  }
  sums.all = fmaf(-weight, static_cast<float>(all), sums.all);
  sums.column = fmaf(-weight, static_cast<float>(column), sums.column);
  sums.row = fmaf(-weight, static_cast<float>(row), sums.row);
  sums.both = fmaf(-weight, static_cast<float>(both), sums.both);
}

}  // namespace dinov3_seg::cuda
