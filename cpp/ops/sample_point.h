// Where a deformable attention's point falls, and what it reads there. The arithmetic is that of libtorch's
// grid_sampler (bilinear, zeros beyond the map, align_corners false).
#pragma once

#include "ops/resize_cells.h"

namespace dinov3_seg {

/// The four tokens around a place, and how they are mixed; −1 beyond the map.
template <typename Real>
struct SamplePoint {
  alignas(16) int tokens[4];
  alignas(16) Real weights[4];
};

/// From a grid's 0…1 to its values, value 0 at 0. Held within reach of a whole number's range, NaN too.
template <typename Real>
DINOV3_SEG_ON_DEVICE Real sample_place(Real location, int size) {
  const Real grid = 2 * location - 1;
  const Real place = ((grid + 1) * static_cast<Real>(size) - 1) / 2;
  if (!(place > -2)) return -2;
  return place < static_cast<Real>(size + 1) ? place : static_cast<Real>(size + 1);
}

/// `x`, `y`: 0…1 across a map of height×width that starts at token `start`; `weight` of the point: NaN where
/// the place is.
template <typename Real>
DINOV3_SEG_ON_DEVICE SamplePoint<Real> sample_point(Real x, Real y, int height, int width, int start,
                                                    Real weight) {
  const Real column = sample_place(x, width), row = sample_place(y, height);
  int left = static_cast<int>(column), top = static_cast<int>(row);  // towards zero
  if (static_cast<Real>(left) > column) --left;
  if (static_cast<Real>(top) > row) --top;
  const Real right_share = column - static_cast<Real>(left), low_share = row - static_cast<Real>(top);
  const Real left_share = 1 - right_share, top_share = 1 - low_share;
  if (x != x || y != y) weight = x + y;
  const bool has_left = left >= 0 && left < width, has_right = left >= -1 && left + 1 < width;
  const bool has_top = top >= 0 && top < height, has_low = top >= -1 && top + 1 < height;
  const int token = start + top * width + left;
  SamplePoint<Real> point;
  point.tokens[0] = has_top && has_left ? token : -1;
  point.tokens[1] = has_top && has_right ? token + 1 : -1;
  point.tokens[2] = has_low && has_left ? token + width : -1;
  point.tokens[3] = has_low && has_right ? token + width + 1 : -1;
  point.weights[0] = top_share * left_share * weight;
  point.weights[1] = top_share * right_share * weight;
  point.weights[2] = low_share * left_share * weight;
  point.weights[3] = low_share * right_share * weight;
  return point;
}

}  // namespace dinov3_seg
