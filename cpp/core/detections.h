// From a detector's outputs to its best boxes.
#pragma once

#include <ATen/core/Tensor.h>

namespace dinov3_seg {

/// The best pairs of query and class, best first, on the outputs' device.
struct Detections {
  at::Tensor scores;  ///< B×N float32, 0…1
  at::Tensor labels;  ///< B×N int64, columns of the logits
  at::Tensor boxes;   ///< B×N×4 float32: x0, y0, x1, y1 in pixels, within the image
};

/// Of logits B×Q×K and boxes B×Q×4 (centre x, centre y, width, height in pixels) of an image of height ×
/// width pixels: the `top` highest sigmoids over all queries and classes, or all Q·K where that is less. A
/// query may come up with several classes. Source: reference/architecture.md, "post-processing". Throws
/// SHAPE, INVALID_ARGUMENT.
Detections best_detections(const at::Tensor& logits, const at::Tensor& boxes, int64_t height, int64_t width,
                           int64_t top);

}  // namespace dinov3_seg
