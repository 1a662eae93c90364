// Perspective views of equirectangular panoramas.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/error.h"
#include "ops/network_checks.h"
#include "ops/panorama_place.h"

namespace dinov3_seg {

/// A perspective view height×width×3 uint8 of a panorama H×W×3 uint8, which shows all directions: 360° across
/// its width and 180° down its height. `rotation` 3×3, row by row, and `focal`: see ViewGeometry. A pixel is
/// the mean of samples×samples bilinear samples at the middles of as many equal parts of it, rounded to the
/// nearest; columns go round the panorama, rows end at the poles. Computed in float32. Waits for nothing.
/// Throws SHAPE for anything else.
at::Tensor perspective_view(const at::Tensor& panorama, at::ArrayRef<double> rotation, double focal,
                            int64_t height, int64_t width, int64_t samples);

/// Samples along a side of a pixel, so that no pixel of a panorama of `width` columns is skipped: the view's
/// are closest to the panorama's in its middle.
inline int64_t view_samples(int64_t width, double focal) {
  constexpr double pi = 3.14159265358979323846;
  // A little more than a pixel is not worth four times the samples.
  const double pixels = static_cast<double>(width) / (2 * pi * focal);
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(pixels - 0.25)), 1, 16);
}

/// Throws SHAPE as perspective_view() does.
inline ViewGeometry check_view(const at::Tensor& panorama, at::ArrayRef<double> rotation, double focal,
                               int64_t height, int64_t width, int64_t samples) {
  if (panorama.dim() != 3 || panorama.size(2) != 3 || panorama.scalar_type() != at::kByte ||
      panorama.numel() == 0)
    fail("SHAPE", "expected a panorama H×W×3 uint8, got ", panorama.sizes(), " ", panorama.scalar_type());
  if (rotation.size() != 9) fail("SHAPE", "expected a rotation of 9 values, got ", rotation.size());
  if (!(focal > 0)) fail("SHAPE", "expected a focal length above 0, got ", focal);
  for (const int64_t side : {panorama.size(0), panorama.size(1), height, width}) check_side(side);
  if (samples < 1 || samples > 16) fail("SHAPE", "expected 1 to 16 samples a side, got ", samples);
  ViewGeometry view{};
  for (size_t i = 0; i < 9; ++i) view.rotation[i] = static_cast<float>(rotation[i]);
  view.focal = static_cast<float>(focal);
  view.panorama_height = static_cast<int>(panorama.size(0));
  view.panorama_width = static_cast<int>(panorama.size(1));
  view.height = static_cast<int>(height);
  view.width = static_cast<int>(width);
  return view;
}

}  // namespace dinov3_seg
