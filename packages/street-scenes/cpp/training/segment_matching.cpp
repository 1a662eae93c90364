#include "training/segment_matching.h"

#include <ATen/ATen.h>

#include "training/query_matching.h"
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

}  // namespace

Matching match_segments(const at::Tensor& costs, const std::vector<std::vector<int64_t>>& classes,
                        int64_t layers, int64_t no_object) {
  const int64_t batch = costs.size(0), segments = costs.size(2), queries = (costs.size(1) - 1) / layers;
  const auto* values = costs.const_data_ptr<float>();
  std::vector<std::vector<int64_t>> kept;
  for (int64_t b = 0; b < batch; ++b)
    kept.push_back(large_enough(values + (b * costs.size(1) + layers * queries) * segments,
                                classes[static_cast<size_t>(b)].size()));
  const auto found = match_queries({values, costs.size(1), segments, layers, queries}, kept);
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
