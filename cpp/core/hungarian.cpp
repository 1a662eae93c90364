#include "core/hungarian.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/byte_reader.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

constexpr int64_t none = -1;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Pairs of the rows so far, at least cost. Reduced costs c − u − v are never negative, and 0 for pairs.
class Assignment {
 public:
  Assignment(c10::ArrayRef<double> costs, int64_t rows, int64_t columns)
      : costs_(costs),
        columns_(static_cast<size_t>(columns)),
        u_(static_cast<size_t>(rows)),
        v_(columns_),
        column_of_(static_cast<size_t>(rows), none),
        row_of_(columns_, none),
        length_(columns_),
        via_(columns_),
        is_done_(columns_) {}

  /// Adds a row by the shortest path of alternating pairs from it to a free column (Dijkstra on reduced
  /// costs).
  void add(size_t row) {
    std::fill(length_.begin(), length_.end(), infinity);
    std::fill(is_done_.begin(), is_done_.end(), false);
    double shortest = 0;
    size_t column = nearest_column(row, shortest);
    while (row_of_[column] != none) column = nearest_column(static_cast<size_t>(row_of_[column]), shortest);
    u_[row] += shortest;
    for (size_t j = 0; j < columns_; ++j) {
      if (!is_done_[j]) continue;
      v_[j] -= shortest - length_[j];
      if (row_of_[j] != none) u_[static_cast<size_t>(row_of_[j])] += shortest - length_[j];
    }
    // Backwards along the path, every row on it takes the column that it was left by.
    for (auto j = static_cast<int64_t>(column); j != none;) {
      const size_t i = via_[static_cast<size_t>(j)];
      row_of_[static_cast<size_t>(j)] = static_cast<int64_t>(i);
      std::swap(column_of_[i], j);
    }
  }

  const std::vector<int64_t>& column_of() const { return column_of_; }

 private:
  /// Goes on from `row`, `shortest` away from the start, and takes the nearest column that is not done. Of
  /// equally near ones a free one, which ends the path, then the first.
  size_t nearest_column(size_t row, double& shortest) {
    const double* costs = costs_.data() + row * columns_;
    size_t best = columns_;
    for (size_t j = 0; j < columns_; ++j) {
      if (is_done_[j]) continue;
      const double length = shortest + costs[j] - u_[row] - v_[j];
      if (length < length_[j]) {
        length_[j] = length;
        via_[j] = row;
      }
      if (best == columns_ || length_[j] < length_[best] ||
          (length_[j] == length_[best] && row_of_[j] == none && row_of_[best] != none))
        best = j;
    }
    shortest = length_[best];
    is_done_[best] = true;
    return best;
  }

  c10::ArrayRef<double> costs_;
  size_t columns_;
  std::vector<double> u_, v_;  // prices of rows and columns
  std::vector<int64_t> column_of_, row_of_;
  std::vector<double> length_;  // of the shortest path to each column
  std::vector<size_t> via_;     // row before each column on it
  std::vector<bool> is_done_;
};

}  // namespace

std::vector<int64_t> assign_least_cost(c10::ArrayRef<double> costs, int64_t rows, int64_t columns) {
  int64_t count = 0;
  const bool fits = checked_multiply(rows, columns, count);
  if (rows < 0 || columns < 0 || !fits || static_cast<int64_t>(costs.size()) != count)
    fail("INVALID_ARGUMENT", "expected ", rows, "×", columns, " costs, got ", costs.size());
  if (!std::all_of(costs.begin(), costs.end(), [](double cost) { return std::isfinite(cost); }))
    fail("INVALID_ARGUMENT", "costs must be finite");
  if (rows <= columns) {
    Assignment assignment(costs, rows, columns);
    for (int64_t row = 0; row < rows; ++row) assignment.add(static_cast<size_t>(row));
    return assignment.column_of();
  }
  std::vector<double> transposed(costs.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      transposed[static_cast<size_t>(j * rows + i)] = costs[static_cast<size_t>(i * columns + j)];
  std::vector<int64_t> column_of(static_cast<size_t>(rows), none);
  const auto row_of = assign_least_cost(transposed, columns, rows);
  for (int64_t j = 0; j < columns; ++j) column_of[static_cast<size_t>(row_of[static_cast<size_t>(j)])] = j;
  return column_of;
}

}  // namespace dinov3_seg
