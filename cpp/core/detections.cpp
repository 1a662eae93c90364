#include "core/detections.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"

namespace dinov3_seg {

Detections best_detections(const at::Tensor& logits, const at::Tensor& boxes, int64_t height, int64_t width,
                           int64_t top) {
  if (logits.dim() != 3 || boxes.dim() != 3 || boxes.size(0) != logits.size(0) ||
      boxes.size(1) != logits.size(1) || boxes.size(2) != 4 || logits.numel() == 0)
    fail("SHAPE", "expected logits B×Q×K and boxes B×Q×4, got ", logits.sizes(), " and ", boxes.sizes());
  if (top < 1 || height < 1 || width < 1)
    fail("INVALID_ARGUMENT", "expected at least 1 detection of at least 1×1 pixels, got ", top, " of ", width,
         "×", height);
  const int64_t queries = logits.size(1), classes = logits.size(2);
  const auto [scores, places] =
      logits.to(at::kFloat).sigmoid().flatten(1).topk(std::min(top, queries * classes), /*dim=*/1);
  const at::Tensor owners = places.div(classes, "floor").unsqueeze(2).expand({-1, -1, 4});
  const at::Tensor chosen = boxes.to(at::kFloat).gather(1, owners);  // B×N×4
  const at::Tensor centre = chosen.slice(2, 0, 2), half = chosen.slice(2, 2, 4) / 2;
  const at::Tensor corners = at::cat({centre - half, centre + half}, 2);
  corners.slice(2, 0, 4, 2).clamp_(0, width);
  corners.slice(2, 1, 4, 2).clamp_(0, height);
  return {scores, places.remainder(classes), corners};
}

}  // namespace dinov3_seg
