// The trainable part: class_embed, a linear layer from query embeddings to class logits, with its gradient
// and AdamW. Legend: B batch, Q queries, C hidden width, K classes, H×W label size, h×w mask grid.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace dinov3_seg {

/// Precision of the linear layer's products. `bfloat16` does what torch.autocast(bfloat16) does: operands and
/// logits rounded to bfloat16, weights, scores, loss and optimiser in float32.
enum class Precision { bfloat16, float32 };

/// `bfloat16` or `float32`; anything else throws INVALID_ARGUMENT.
Precision parse_precision(const std::string& name);

struct LossResult {
  double loss = 0;     // mean cross entropy over the counted pixels; 0 when there are none
  int64_t pixels = 0;  // pixels whose label is not 255
};

/// AdamW (Loshchilov & Hutter 2019) with decoupled weight decay, as torch.optim.AdamW defines it.
struct StepOptions {
  double learning_rate = 1e-4;
  double weight_decay = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_norm = 1.0;  // global gradient norm to clip to; 0: no clipping
};

/// A parameter (float32) with its gradient and AdamW moments, all of one shape.
struct TrainedParameter {
  at::Tensor value;
  at::Tensor gradient;
  at::Tensor exp_avg;
  at::Tensor exp_avg_sq;
};

/// Not thread-safe: one job at a time.
class ClassEmbed {
 public:
  /// Xavier-uniform weight K×C from `seed` (the same numbers on every device), bias zero.
  ClassEmbed(int64_t hidden, int64_t classes, c10::Device device, Precision precision, uint64_t seed);
  /// Copies of weight K×C and bias K. Throws HEAD_MISMATCH for other shapes.
  ClassEmbed(const at::Tensor& weight, const at::Tensor& bias, c10::Device device, Precision precision);

  int64_t hidden() const { return weight_.value.size(1); }
  int64_t classes() const { return weight_.value.size(0); }
  c10::Device device() const { return weight_.value.device(); }

  /// Logits B×Q×K float32 of queries B×Q×C. Throws HEAD_MISMATCH for another C.
  at::Tensor forward(const at::Tensor& queries) const;

  /// Adds d_weight and d_bias of queries B×Q×C and d_logits B×Q×K to the gradients.
  void backward(const at::Tensor& queries, const at::Tensor& d_logits);

  /// Cross entropy of the dense scores, taken as logits, resized bilinearly to labels B×H×W (uint8, 255
  /// ignored).
  LossResult loss(const at::Tensor& queries, const at::Tensor& masks, const at::Tensor& labels) const;

  /// loss(), and `scale` times its gradient added to the gradients.
  LossResult accumulate(const at::Tensor& queries, const at::Tensor& masks, const at::Tensor& labels,
                        double scale);

  /// Clips the gradients to max_norm, takes an AdamW step and clears them. Gives the norm before clipping.
  /// Throws INVALID_ARGUMENT and changes nothing when the norm is not finite.
  double step(const StepOptions& options);

  TrainedParameter& weight() { return weight_; }
  TrainedParameter& bias() { return bias_; }
  const TrainedParameter& weight() const { return weight_; }
  const TrainedParameter& bias() const { return bias_; }
  int64_t steps = 0;  // AdamW steps taken, for its bias correction

 private:
  TrainedParameter weight_;  // K×C
  TrainedParameter bias_;    // K
  Precision precision_;
};

/// d_weight K×C and d_bias K of loss() by libtorch's autograd instead of the formulas of accumulate(): the
/// truth that tests and benchmarks compare with.
std::pair<at::Tensor, at::Tensor> autograd_gradients(const ClassEmbed& head, const at::Tensor& queries,
                                                     const at::Tensor& masks, const at::Tensor& labels,
                                                     Precision precision);

}  // namespace dinov3_seg
