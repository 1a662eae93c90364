// Bilinear resizing (align_corners false) of `size` grid values to `target` positions, told by cells: cell i,
// 0 … size, lies between the grid values i−1 and i, and every position is in one cell. Both of a position's
// grid values are its cell's, so that a cell's positions are computed together and its gradient is gathered
// without a search.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define DINOV3_SEG_ON_DEVICE __host__ __device__ __forceinline__
#else
#define DINOV3_SEG_ON_DEVICE inline
#endif

namespace dinov3_seg {

struct CellPlace {
  int64_t cell;
  float far;  // weight of the grid value `cell`; that of `cell` − 1 is 1 − far
};

/// Where a position falls. Whole numbers: floats would put positions of large grids into neighbouring cells.
/// The outer cells have one grid value each (libtorch clamps coordinates), so that the one that is not there
/// weighs 0.
DINOV3_SEG_ON_DEVICE CellPlace cell_place(int64_t position, int64_t size, int64_t target) {
  const int64_t offset = (2 * position + 1) * size - target;  // from grid value 0, in steps of 1 / (2·target)
  if (offset < 0) return {0, 1.0F};
  const int64_t near = offset / (2 * target);
  if (near + 1 >= size) return {size, 0.0F};
  return {near + 1, static_cast<float>(offset - near * 2 * target) / static_cast<float>(2 * target)};
}

/// First position of a cell or of those after it: position ≥ ((2·cell − 1)·target − size) / (2·size) is in
/// cell … size.
DINOV3_SEG_ON_DEVICE int64_t cell_start(int64_t cell, int64_t size, int64_t target) {
  if (cell <= 0) return 0;
  if (cell > size) return target;
  const int64_t bound = (2 * cell - 1) * target - size;
  return bound <= 0 ? 0 : (bound + 2 * size - 1) / (2 * size);
}

}  // namespace dinov3_seg
