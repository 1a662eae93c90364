// Features in 8 bits: half of what they take in bfloat16. Legend: B batch,
// C channels, h×w patches.
#pragma once

#include <ATen/core/Tensor.h>

namespace dinov3_seg {

/// Of a channel of an image, each value is the nearest of 256 at equal steps from its least to its greatest:
/// off by half a step at most.
struct QuantisedFeatures {
  at::Tensor values;  // B×C×h×w uint8
  at::Tensor ranges;  // B×C×2 float32: the least value, and the step; step 0 where all are equal
};

/// Of features B×C×h×w, on their device. Throws SHAPE.
QuantisedFeatures quantise_features(const at::Tensor& features);

/// B×C×h×w float32.
at::Tensor dequantised_features(const QuantisedFeatures& stored);

}  // namespace dinov3_seg
