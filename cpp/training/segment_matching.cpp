// Apart since it is compiled with OpenMP.
#include "training/segment_matching.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/hungarian.h"
#include "training/training_scenes.h"

namespace dinov3_seg {
namespace {

/// Cells that a segment covers at least; less is noise at the size of the masks.
constexpr float least_area = 1;

std::vector<int64_t> large_enough(const float* areas, size_t segments) {
  std::vector<int64_t> kept;
  for (size_t s = 0; s < segments; ++s)
    if (areas[s] >= least_area) kept.push_back(static_cast<int64_t>(s));
  return kept;
}

/// The query of each of `kept`, or −1.
std::vector<int64_t> queries_of(const float* costs, const std::vector<int64_t>& kept, int64_t queries,
                                int64_t segments) {
  std::vector<double> own;
  own.reserve(kept.size() * static_cast<size_t>(queries));
  for (const int64_t s : kept)
    for (int64_t q = 0; q < queries; ++q) own.push_back(costs[q * segments + s]);
  if (!std::all_of(own.begin(), own.end(), [](double cost) { return std::isfinite(cost); }))
    fail("INVALID_ARGUMENT",
         "the network's outputs are not finite any more: training has diverged. Take a lower learning rate");
  return assign_least_cost(own, static_cast<int64_t>(kept.size()), queries);
}

}  // namespace

Matching match_segments(const at::Tensor& costs, const std::vector<std::vector<int64_t>>& classes,
                        int64_t layers, int64_t no_object) {
  const int64_t batch = costs.size(0), segments = costs.size(2), queries = (costs.size(1) - 1) / layers;
  const auto* values = costs.const_data_ptr<float>();
  const auto of_view = [&](int64_t b) { return values + b * costs.size(1) * segments; };
  std::vector<std::vector<int64_t>> kept, found(static_cast<size_t>(batch * layers));
  for (int64_t b = 0; b < batch; ++b)
    kept.push_back(
        large_enough(of_view(b) + layers * queries * segments, classes[static_cast<size_t>(b)].size()));
  at::parallel_for(0, batch * layers, 1, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      const int64_t b = i / layers, layer = i % layers;
      found[static_cast<size_t>(i)] = queries_of(of_view(b) + layer * queries * segments,
                                                 kept[static_cast<size_t>(b)], queries, segments);
    }
  });
  Matching matching{at::full({batch, layers, queries}, no_object, at::kLong), {}, {}};
  auto* matched = matching.classes.mutable_data_ptr<int64_t>();
  std::vector<int64_t> query_numbers, segment_numbers;
  for (int64_t i = 0; i < batch * layers; ++i) {
    const auto b = static_cast<size_t>(i / layers);
    for (size_t k = 0; k < kept[b].size(); ++k) {
      const int64_t query = found[static_cast<size_t>(i)][k], segment = kept[b][k];
      if (query < 0) continue;
      const int64_t own = classes[b][static_cast<size_t>(segment)];
      matched[i * queries + query] = own == no_class ? Matching::left_out : own;
      query_numbers.push_back(i * queries + query);
      segment_numbers.push_back(static_cast<int64_t>(b) * segments + segment);
    }
  }
  matching.queries = at::tensor(query_numbers, at::kLong);
  matching.segments = at::tensor(segment_numbers, at::kLong);
  return matching;
}

}  // namespace dinov3_seg
