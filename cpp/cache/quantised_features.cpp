#include "cache/quantised_features.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {
namespace {

constexpr double steps = 255;

/// A number of each range, B×C×1×1.
at::Tensor column(const at::Tensor& ranges, int64_t index) {
  return ranges.select(2, index).unsqueeze(2).unsqueeze(3);
}

}  // namespace

QuantisedFeatures quantise_features(const at::Tensor& features) {
  if (features.dim() != 4 || features.numel() == 0)
    fail("SHAPE", "expected features B×C×h×w, got ", features.sizes());
  const at::Tensor values = features.to(at::kFloat);
  const auto [least, greatest] = at::aminmax(values.flatten(2), 2);  // B×C
  const at::Tensor step = (greatest - least).div_(steps);
  const at::Tensor ranges = at::stack({least, step}, 2);
  const at::Tensor per_step = at::where(step > 0, step.reciprocal(), 0.0).unsqueeze(2).unsqueeze(3);
  return {((values - column(ranges, 0)) * per_step).round_().clamp_(0, steps).to(at::kByte), ranges};
}

at::Tensor dequantised_features(const QuantisedFeatures& stored) {
  const auto& [values, ranges] = stored;
  return at::addcmul(column(ranges, 0), values.to(at::kFloat), column(ranges, 1));
}

}  // namespace dinov3_seg
