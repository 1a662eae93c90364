// From an image's pixels to what a network takes.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/normalization.h"

namespace dinov3_seg {

/// Pixels H×W×1, 3 or 4 uint8 as float32 3×height×width on the device: resized (bilinear, antialiased) and
/// normalised as the network's images were.
at::Tensor network_input(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization);

/// The same, ready on return. Neither the copy to the device nor the work there waits for the current stream.
at::Tensor network_input_aside(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                               const Normalization& normalization);

/// An image of a pass: its pixels, or what was made of them before.
struct PassImage {
  int64_t height, width;  // of the image, H×W
  at::Tensor pixels;      // H×W×(1, 3 or 4) uint8; undefined where there is an input
  at::Tensor input;       // network_input() of them; undefined where there are pixels
};

/// Throws SHAPE for an input of another size or device.
at::Tensor network_input(const PassImage& image, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization);

}  // namespace dinov3_seg
