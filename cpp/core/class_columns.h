// What share of an image's pixels a table's columns have. Columns are groups of classes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dinov3_seg {

/// In tables and maps: no column.
constexpr int64_t no_column = 255;

/// Throws INVALID_ARGUMENT unless the table, uint8 of 256 values by class, holds numbers below `columns` (1
/// to 255) and 255 (no column).
void check_column_table(const at::Tensor& table, int64_t columns);

/// Pixels of each column and, last, those without one: columns + 1 int64 on the CPU. Throws INVALID_ARGUMENT
/// unless there are 1 to 255 columns, LABEL_VALUE where the map (uint8) holds neither a column nor 255.
at::Tensor count_columns(const at::Tensor& column_map, int64_t columns);

/// Columns + 1 rows float64, the last for what has no column: the shares of places in the columns of a head.
/// Scores K×N, not negative; those of a place are divided by their sum, and a place whose scores are all zero
/// has no column. `below` are such rows of another head: theirs is what this one's table has no column for,
/// so that each place still sums to 1.
at::Tensor column_shares(const at::Tensor& scores, const at::Tensor& table, int64_t columns,
                         const at::Tensor& below = {});

}  // namespace dinov3_seg
