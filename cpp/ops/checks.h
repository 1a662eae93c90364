// Shapes that the operators of score_loss take, checked alike by every kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/error.h"

namespace dinov3_seg {

struct ScoreSizes {
  int64_t batch, heads, classes, grid_height, grid_width, height, width;
};

/// Throws SHAPE unless scores are B×N×K×h×w float32 with K ≤ 255, labels B×H×W uint8 on the same device,
/// class weights N×K, and `losses` one a head (or empty, where there is no loss to choose).
inline ScoreSizes check_scores(const at::Tensor& scores, const at::Tensor& labels,
                               const std::optional<at::Tensor>& class_weights, at::IntArrayRef losses) {
  if (scores.dim() != 5 || scores.scalar_type() != at::kFloat || scores.size(2) > 255 || scores.numel() == 0)
    fail("SHAPE", "expected scores B×N×K×h×w float32 of at most 255 classes, got ", scores.sizes(), " ",
         scores.scalar_type());
  if (labels.dim() != 3 || labels.scalar_type() != at::kByte || labels.size(0) != scores.size(0) ||
      labels.numel() == 0 || labels.device() != scores.device())
    fail("SHAPE", "expected labels B×H×W uint8 on ", scores.device(), " with B = ", scores.size(0), ", got ",
         labels.sizes(), " ", labels.scalar_type(), " on ", labels.device());
  const ScoreSizes size{scores.size(0), scores.size(1), scores.size(2), scores.size(3),
                        scores.size(4), labels.size(1), labels.size(2)};
  if (class_weights && (class_weights->sizes() != at::IntArrayRef{size.heads, size.classes} ||
                        class_weights->scalar_type() != at::kFloat))
    fail("SHAPE", "expected class weights ", size.heads, "×", size.classes, " float32, got ",
         class_weights->sizes());
  if (!losses.empty() && static_cast<int64_t>(losses.size()) != size.heads)
    fail("SHAPE", "expected a loss for each of ", size.heads, " heads, got ", losses.size());
  return size;
}

}  // namespace dinov3_seg
