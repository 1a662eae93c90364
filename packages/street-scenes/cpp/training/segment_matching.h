// Which query learns which segment.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// Pairs of all views and layers, on the CPU. Legend as in set_loss.h.
struct Matching {
  /// In place of the class of a query whose segment has none: what cross_entropy_loss leaves out.
  static constexpr int64_t left_out = -100;
  at::Tensor classes;   // B×L×Q int64: of the matched segment; no object for other queries
  at::Tensor queries;   // M int64: numbers of matched queries among the B·L·Q, ascending by view and layer
  at::Tensor segments;  // M int64: their segments' numbers among the B·S
};

/// Least cost of (L·Q)×S costs a view, with the segments' areas in cells as a last row: B×(L·Q + 1)×S float32
/// on the CPU. Segments of less than a cell are left out. `classes`: of the views' segments. All views and
/// layers side by side on the operators' threads. Throws INVALID_ARGUMENT where a cost is not finite.
Matching match_segments(const at::Tensor& costs, const std::vector<std::vector<int64_t>>& classes,
                        int64_t layers, int64_t no_object);

}  // namespace dinov3_seg
