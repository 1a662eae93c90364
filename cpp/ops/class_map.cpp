#include "ops/class_map.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "ops/network_ops.h"

namespace dinov3_seg {

at::Tensor class_map(const DenseScores& scores, int64_t height, int64_t width) {
  if (scores.classes() > 255) fail("SHAPE", "a class map has at most 255 classes, got ", scores.classes());
  const at::Tensor grid = scores.grid_scores();
  if (grid.defined()) return argmax_resized(grid, height, width);
  const auto [classes, masks] = scores.query_scores();
  return argmax_masks(classes, masks, height, width);
}

}  // namespace dinov3_seg
