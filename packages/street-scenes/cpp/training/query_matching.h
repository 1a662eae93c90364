// Which query learns what.
#pragma once

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// Costs of a batch, B×rows×columns float32 on the CPU: of each view L·Q rows come first, a row a query of a
/// layer, a column a target.
struct QueryCosts {
  const float* values;
  int64_t rows, columns;
  int64_t layers, queries;
};

/// For each view and layer, B·L of them in order, the query of each of the view's `targets` (columns; one may
/// be named several times) at least total cost, or −1 where queries have run out. All side by side on the
/// operators' threads. Throws INVALID_ARGUMENT where a cost is not finite.
std::vector<std::vector<int64_t>> match_queries(const QueryCosts& costs,
                                                const std::vector<std::vector<int64_t>>& targets);

}  // namespace dinov3_seg
