#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dinov3_seg {

/// Pixels by truth (rows) and prediction (columns): classes×classes int64 on the CPU. Both maps uint8 of
/// equal shape; pixels whose label is 255 are left out. Throws SHAPE for other shapes and dtypes, LABEL_VALUE
/// for a label or prediction that is neither a class nor (labels only) 255.
at::Tensor confusion_matrix(const at::Tensor& prediction, const at::Tensor& labels, int64_t classes);

}  // namespace dinov3_seg
