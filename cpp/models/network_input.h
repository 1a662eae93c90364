// From an image's pixels to what a network takes.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/normalization.h"

namespace dinov3_seg {

/// Pixels H×W×1, 3 or 4 uint8 as float32 3×height×width on the device: resized (bilinear, antialiased) and
/// normalised as the network's images were.
at::Tensor network_input(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization);

}  // namespace dinov3_seg
