#pragma once

#include <ATen/core/Tensor.h>

namespace dinov3_seg {

/// ‖actual − expected‖ / ‖expected‖ (Euclidean) of each item of the outermost dimension: B float64 on the
/// CPU. Both floating, of equal shape with at least one dimension; `actual` may be on another device. Sums
/// are float64. 0 where both are 0; infinite where only `expected` is. Throws SHAPE.
at::Tensor relative_errors(const at::Tensor& expected, const at::Tensor& actual);

}  // namespace dinov3_seg
