// Apart since it is compiled with OpenMP.
#include "training/query_matching.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/hungarian.h"

namespace dinov3_seg {
namespace {

/// Of one view and layer, whose costs begin at `values`.
std::vector<int64_t> queries_of(const float* values, const QueryCosts& costs,
                                const std::vector<int64_t>& targets) {
  std::vector<double> own;
  own.reserve(targets.size() * static_cast<size_t>(costs.queries));
  for (const int64_t target : targets)
    for (int64_t q = 0; q < costs.queries; ++q) own.push_back(values[q * costs.columns + target]);
  if (!std::all_of(own.begin(), own.end(), [](double cost) { return std::isfinite(cost); }))
    fail("INVALID_ARGUMENT",
         "the network's outputs are not finite any more: training has diverged. Take a lower learning rate");
  return assign_least_cost(own, static_cast<int64_t>(targets.size()), costs.queries);
}

}  // namespace

std::vector<std::vector<int64_t>> match_queries(const QueryCosts& costs,
                                                const std::vector<std::vector<int64_t>>& targets) {
  const auto count = static_cast<int64_t>(targets.size()) * costs.layers;
  std::vector<std::vector<int64_t>> found(static_cast<size_t>(count));
  at::parallel_for(0, count, 1, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      const int64_t view = i / costs.layers, layer = i % costs.layers;
      const float* own = costs.values + (view * costs.rows + layer * costs.queries) * costs.columns;
      found[static_cast<size_t>(i)] = queries_of(own, costs, targets[static_cast<size_t>(view)]);
    }
  });
  return found;
}

}  // namespace dinov3_seg
