// From a panorama to pictures that a network knows.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// Where a view looks, in degrees: to the right of the panorama's middle, and above the horizon.
struct ViewDirection {
  double yaw = 0;
  double pitch = 0;
};

struct ViewOptions {
  std::vector<ViewDirection> views;
  double degrees = 90;  // across a view's width, above 0 and below 180
  int64_t height = 0;   // of a view, pixels
  int64_t width = 0;
};

/// Perspective views N×height×width×3 uint8 (CPU) of an equirectangular panorama's pixels H×W×1, 3 or 4 uint8
/// (CPU), computed on the device: see perspective_view(). The device's other work goes on. Throws
/// INVALID_ARGUMENT, SHAPE.
at::Tensor perspective_views(const at::Tensor& pixels, const ViewOptions& options, c10::Device device);

}  // namespace dinov3_seg
