#pragma once

#include <c10/core/ScalarType.h>
#include <torch/csrc/jit/api/module.h>

namespace dinov3_seg {

/// Casts the weights of a network made by build_segmentor, build_eomt or build_backbone to the precision plan
/// of `dtype` (builder.h), one tensor at a time, on the device they are on. Throws MODEL_FORMAT for a module
/// with other keys.
void cast_segmentor(torch::jit::Module& module, at::ScalarType dtype);

/// The same for a detector made by build_detector.
void cast_detector(torch::jit::Module& module, at::ScalarType dtype);

}  // namespace dinov3_seg
