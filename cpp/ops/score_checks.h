// Shapes that the operators take, checked alike by every kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/error.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

struct ScoreSizes {
  int64_t batch, heads, classes, grid_height, grid_width, height, width;
};

/// Throws SHAPE unless scores are B×N×K×h×w float32 with K ≤ 255, labels B×H×W uint8 and class weights N×K on
/// the same device, and `losses`, where there are some to choose, one a head.
inline ScoreSizes check_scores(const at::Tensor& scores, const at::Tensor& labels,
                               const std::optional<at::Tensor>& class_weights,
                               std::optional<at::IntArrayRef> losses) {
  if (scores.dim() != 5 || scores.scalar_type() != at::kFloat || scores.size(2) > 255 || scores.numel() == 0)
    fail("SHAPE", "expected scores B×N×K×h×w float32 of at most 255 classes, got ", scores.sizes(), " ",
         scores.scalar_type());
  if (labels.dim() != 3 || labels.scalar_type() != at::kByte || labels.size(0) != scores.size(0) ||
      labels.numel() == 0 || labels.device() != scores.device())
    fail("SHAPE", "expected labels B×H×W uint8 on ", scores.device(), " with B = ", scores.size(0), ", got ",
         labels.sizes(), " ", labels.scalar_type(), " on ", labels.device());
  const ScoreSizes size{scores.size(0), scores.size(1), scores.size(2), scores.size(3),
                        scores.size(4), labels.size(1), labels.size(2)};
  if (class_weights &&
      (class_weights->sizes() != at::IntArrayRef{size.heads, size.classes} ||
       class_weights->scalar_type() != at::kFloat || class_weights->device() != scores.device()))
    fail("SHAPE", "expected class weights ", size.heads, "×", size.classes, " float32 on ", scores.device(),
         ", got ", class_weights->sizes(), " ", class_weights->scalar_type(), " on ",
         class_weights->device());
  if (losses && static_cast<int64_t>(losses->size()) != size.heads)
    fail("SHAPE", "expected a loss for each of ", size.heads, " heads, got ", losses->size());
  return size;
}

/// Throws SHAPE unless all are contiguous float32 on one device, N×P, and coefficients N×adamw_coefficients.
inline void check_adamw(const at::Tensor& value, const at::Tensor& gradient, const at::Tensor& exp_avg,
                        const at::Tensor& exp_avg_sq, const at::Tensor& coefficients) {
  if (value.dim() != 2 || value.numel() == 0) fail("SHAPE", "expected values N×P, got ", value.sizes());
  for (const at::Tensor& tensor : {value, gradient, exp_avg, exp_avg_sq})
    if (tensor.sizes() != value.sizes() || tensor.scalar_type() != at::kFloat || !tensor.is_contiguous() ||
        tensor.device() != value.device())
      fail("SHAPE", "expected values, gradients and moments ", value.sizes(), " float32, contiguous, on ",
           value.device(), ", got ", tensor.sizes(), " ", tensor.scalar_type(), " on ", tensor.device());
  if (coefficients.sizes() != at::IntArrayRef{value.size(0), adamw_coefficients} ||
      coefficients.scalar_type() != at::kFloat || coefficients.device() != value.device())
    fail("SHAPE", "expected coefficients ", value.size(0), "×", static_cast<int64_t>(adamw_coefficients),
         " float32 on ", value.device(), ", got ", coefficients.sizes(), " ", coefficients.scalar_type(),
         " on ", coefficients.device());
}

}  // namespace dinov3_seg
