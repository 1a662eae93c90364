// The linear probe: batch norm and a 1×1 convolution on the backbone's patch features, in float32.
// Legend: B batch, C width, K classes, h×w grid of patches; … leading dimensions, none or N probes side by
// side.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dinov3_seg {

constexpr double batch_norm_epsilon = 1e-5;

struct ProbeParameters {
  at::Tensor weight;  // …×K×C of the convolution
  at::Tensor bias;    // …×K
  at::Tensor gamma;   // …×C of the batch norm
  at::Tensor beta;    // …×C
};

/// Batch norm with fixed statistics and the convolution behind it, as one convolution.
struct FoldedProbe {
  at::Tensor weight;  // …×K×C
  at::Tensor bias;    // …×K
};

/// For features that the mean …×C and the (biased) variance …×C belong to.
FoldedProbe fold_probe(const ProbeParameters& parameters, const at::Tensor& mean, const at::Tensor& variance);

/// Features B×C×h×w less `shift` C, float32. Means that are large against the deviations would cost digits in
/// the products; the statistics given to fold_probe are then those of the shifted features.
at::Tensor shifted_features(const at::Tensor& features, const at::Tensor& shift);

/// Scores B×R×h×w of features B×C×h×w float32 by weight R×C and bias R.
at::Tensor pointwise_scores(const at::Tensor& features, const at::Tensor& weight, const at::Tensor& bias);

/// Throws HEAD_MISMATCH unless features are B×C×h×w of the named width.
void check_features(const at::Tensor& features, int64_t width);

/// A trained probe. Its statistics are fixed; for training see heads/linear_probe_heads.h.
class LinearProbe {
 public:
  /// weight K×C, bias K, gamma, beta and the running mean and variance C. Throws HEAD_MISMATCH for other
  /// shapes.
  LinearProbe(const ProbeParameters& parameters, const at::Tensor& running_mean,
              const at::Tensor& running_var, c10::Device device);

  int64_t width() const { return folded_.weight.size(1); }
  int64_t classes() const { return folded_.weight.size(0); }
  c10::Device device() const { return folded_.weight.device(); }
  int64_t size_bytes() const;

  /// Scores (logits) B×K×h×w float32 of features B×C×h×w. Throws HEAD_MISMATCH for another width.
  at::Tensor scores(const at::Tensor& features) const;

 private:
  at::Tensor mean_;  // C
  FoldedProbe folded_;
};

}  // namespace dinov3_seg
