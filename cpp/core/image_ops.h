// Pixels to network input: resize, colour jitter, flip, normalise.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

#include "core/normalization.h"

namespace dinov3_seg {

/// Colour jitter with torchvision's meaning. `order` permutes 0 brightness, 1 contrast, 2 saturation, 3 hue.
struct Jitter {
  std::array<int, 4> order;
  double brightness;
  double contrast;
  double saturation;
  double hue;  // turns, −0.5 … 0.5
};

struct Augmentation {
  bool flip = false;
  std::optional<Jitter> jitter;
};

/// Pixels H×W×3 of H×W×1 (grey three times), H×W×3 (themselves) or H×W×4 (alpha dropped).
at::Tensor to_rgb(const at::Tensor& pixels);

/// Pixels H×W×3 uint8 RGB → 3×height×width float32: divided by 255, resized (bilinear, antialiased,
/// align_corners false), jittered, flipped, normalised. Works on the pixels' device.
at::Tensor prepare_image(const at::Tensor& pixels, int64_t height, int64_t width,
                         const Augmentation& augmentation, const Normalization& normalization);

/// Labels H×W uint8 → height×width uint8 by nearest neighbour at pixel centres (as PIL does), flipped where
/// asked.
at::Tensor prepare_label(const at::Tensor& label, int64_t height, int64_t width, bool flip);

/// Colour jitter of an image 3×H×W float32 in [0, 1]; the result is clamped to it.
/// Source: torchvision's ColorJitter (documented behaviour of adjust_brightness, _contrast, _saturation,
/// _hue).
at::Tensor color_jitter(const at::Tensor& image, const Jitter& jitter);

/// (image − mean)/std, on 3×H×W.
at::Tensor normalize_image(const at::Tensor& image, const Normalization& normalization);

}  // namespace dinov3_seg
