// What the CPU kernels of score loss and counts know of sizes: label rows and columns by cells
// (resize_cells.h), columns in phases. Phase p of a cell is its p-th column; all cells' p-th columns are
// computed side by side, with contiguous loads at any ratio of sizes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/resize_cells.h"
#include "ops/simd.h"

namespace dinov3_seg {

struct LabelRows {
  LabelRows(int64_t size, int64_t target) {
    for (int64_t cell = 0; cell <= size + 1; ++cell) first.push_back(cell_start(cell, size, target));
    for (int64_t row = 0; row < target; ++row) far.push_back(cell_place(row, size, target).far);
  }

  std::vector<int64_t> first;  // of each cell, and the end
  std::vector<float> far;      // weight of the cell's second grid row, by label row
};

struct LabelColumns {
  LabelColumns(int64_t size, int64_t target) {
    std::vector<int64_t> first;
    for (int64_t cell = 0; cell <= size + 1; ++cell) first.push_back(cell_start(cell, size, target));
    for (int64_t cell = 0; cell <= size; ++cell)
      phases = std::max(phases, first[static_cast<size_t>(cell) + 1] - first[static_cast<size_t>(cell)]);
    lanes = (size + 1 + simd::most_lanes - 1) / simd::most_lanes * simd::most_lanes;
    const auto places = static_cast<size_t>(phases * lanes);
    column.assign(places, -1);
    near.assign(places, 0);
    far.assign(places, 0);
    for (int64_t x = 0; x < target; ++x) {
      const CellPlace place = cell_place(x, size, target);
      const auto at = static_cast<size_t>((x - first[static_cast<size_t>(place.cell)]) * lanes + place.cell);
      column[at] = static_cast<int32_t>(x);
      near[at] = 1 - place.far;
      far[at] = place.far;
    }
  }

  int64_t phases = 0;
  int64_t lanes;                // cells, padded
  std::vector<int32_t> column;  // phases×lanes; −1: the cell has no such column
  std::vector<float> near;      // phases×lanes, weights of the cell's grid columns
  std::vector<float> far;
};

/// Grid rows as the kernels read them: K rows of stride() floats, the value i at i + 1, the outer ones
/// repeated.
inline int64_t padded_row(const LabelColumns& columns) { return columns.lanes + simd::most_lanes; }

DINOV3_SEG_INLINE void load_grid_row(const float* row, int64_t width, int64_t stride, float factor,
                                     float* to) {
  to[0] = row[0] * factor;
  for (int64_t x = 0; x < width; ++x) to[x + 1] = row[x] * factor;
  const float last = row[width - 1] * factor;
  for (int64_t x = width + 1; x < stride; ++x) to[x] = last;
}

}  // namespace dinov3_seg
