#include "core/linear_probe.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {

FoldedProbe fold_probe(const ProbeParameters& parameters, const at::Tensor& mean,
                       const at::Tensor& variance) {
  const at::Tensor scale = parameters.gamma * (variance + batch_norm_epsilon).rsqrt();  // …×C
  const at::Tensor offset = parameters.beta - scale * mean;                             // …×C
  return {parameters.weight * scale.unsqueeze(-2),
          parameters.bias + (parameters.weight * offset.unsqueeze(-2)).sum(-1)};
}

at::Tensor shifted_features(const at::Tensor& features, const at::Tensor& shift) {
  return features.to(at::kFloat) - shift.view({1, -1, 1, 1});
}

at::Tensor pointwise_scores(const at::Tensor& features, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t batch = features.size(0), h = features.size(2), w = features.size(3);
  const at::Tensor columns = features.flatten(2);  // B×C×hw
  at::Tensor scores = at::empty({batch, weight.size(0), h * w}, features.options());
  // An image at a time: one product of all would copy the weight for each image, or the features.
  for (int64_t b = 0; b < batch; ++b) {
    at::Tensor own = scores.select(0, b);  // R×hw
    at::addmm_out(own, bias.unsqueeze(1), weight, columns.select(0, b));
  }
  return scores.view({batch, weight.size(0), h, w});
}

void check_features(const at::Tensor& features, int64_t width) {
  if (features.dim() != 4 || features.size(1) != width || features.numel() == 0)
    fail("HEAD_MISMATCH", "the linear probe takes features B×", width, "×h×w, got ", features.sizes(),
         "; use a probe that was trained on this network's backbone");
}

LinearProbe::LinearProbe(const ProbeParameters& parameters, const at::Tensor& running_mean,
                         const at::Tensor& running_var, c10::Device device) {
  const auto own = [&](const at::Tensor& value) { return value.to(device, at::kFloat, false, true); };
  const at::Tensor& weight = parameters.weight;
  if (weight.dim() != 2 || weight.numel() == 0 || parameters.bias.sizes() != weight.sizes().slice(0, 1))
    fail("HEAD_MISMATCH", "expected a linear probe's weight K×C and bias K, got ", weight.sizes(), " and ",
         parameters.bias.sizes());
  if (weight.size(0) > 255)
    fail("HEAD_MISMATCH", "at most 255 classes fit label images, got ", weight.size(0));
  for (const at::Tensor* value : {&parameters.gamma, &parameters.beta, &running_mean, &running_var})
    if (value->sizes() != weight.sizes().slice(1))
      fail("HEAD_MISMATCH", "expected ", weight.size(1), " values of each tensor of the batch norm, got ",
           value->sizes());
  mean_ = own(running_mean);
  folded_ = fold_probe({own(weight), own(parameters.bias), own(parameters.gamma), own(parameters.beta)},
                       at::zeros_like(mean_), own(running_var));
}

int64_t LinearProbe::size_bytes() const {
  return static_cast<int64_t>(mean_.nbytes() + folded_.weight.nbytes() + folded_.bias.nbytes());
}

at::Tensor LinearProbe::scores(const at::Tensor& features) const {
  check_features(features, width());
  return pointwise_scores(shifted_features(features.to(device()), mean_), folded_.weight, folded_.bias);
}

}  // namespace dinov3_seg
