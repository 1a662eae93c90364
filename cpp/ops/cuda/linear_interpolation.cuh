// Where bilinear resizing (align_corners false) finds a position's value, in the dtype of the computation.
#pragma once

#include <cstdint>

#include "ops/resize_cells.h"

namespace dinov3_seg::cuda {

__device__ __forceinline__ int clamp_index(int64_t index, int size) {
  return static_cast<int>(index < 0 ? 0 : index >= size ? size - 1 : index);
}

/// The two grid values of a position, and the share of the second.
template <typename Real>
struct LinearInterpolation {
  int near, far;
  Real share;
};

template <typename Real>
__device__ __forceinline__ LinearInterpolation<Real> linear_interpolation(int64_t position, int size,
                                                                          int target) {
  const CellPlace place = cell_place(position, size, target);
  LinearInterpolation<Real> result{clamp_index(place.cell - 1, size), clamp_index(place.cell, size), 0};
  // In Real, of which a cell's place has float32 only.
  if (place.cell > 0 && place.cell < size)
    result.share = static_cast<Real>((2 * position + 1) * size - target - (place.cell - 1) * 2 * target) /
                   static_cast<Real>(2 * static_cast<int64_t>(target));
  return result;
}

template <typename Real>
__device__ __forceinline__ Real interpolate(Real near, Real far, Real share) {
  return near + share * (far - near);
}

}  // namespace dinov3_seg::cuda
