// Heads that are a linear layer C → R on the network's queries, N of them in one product.
// Legend as in trained_heads.h; R outputs of a head.
#pragma once

#include <string>

#include "heads/trained_heads.h"

namespace dinov3_seg {

/// Precision of the linear layer's products. `bfloat16` does what torch.autocast(bfloat16) does: operands and
/// logits rounded to bfloat16, weights, scores, loss and optimiser in float32.
enum class Precision { bfloat16, float32 };

/// `bfloat16` or `float32`; anything else throws INVALID_ARGUMENT.
Precision parse_precision(const std::string& name);

/// Xavier-uniform weights N×R×C, one for each seed; the same numbers on every device.
at::Tensor xavier_uniform(int64_t width, int64_t outputs, const std::vector<uint64_t>& seeds);

/// A head's parameters stand as weight R×C row by row, then bias R.
class LinearHeads : public TrainedHeads {
 public:
  OutputOptions reads() const override { return {.decoded = true}; }
  int64_t width() const override { return width_; }
  int64_t outputs() const override { return outputs_; }
  int64_t scored_classes(Scoring scoring) const override;

  /// Of the only head.
  DenseScores dense_scores(const NetworkOutputs& outputs, Scoring scoring) const override;

  at::Tensor forward(const NetworkOutputs& outputs) const override;

  /// Adds the gradients of queries B×Q×C and d_logits B×Q×N×R. Throws SHAPE.
  void backward(const at::Tensor& queries, const at::Tensor& d_logits);

  /// Weight N×R×C and bias N×R, in the same memory.
  at::Tensor weight() const;
  at::Tensor bias() const;

 protected:
  /// Copies of weight N×R×C and bias N×R. Throws HEAD_MISMATCH for other shapes.
  LinearHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device, Precision precision);

  /// Throws HEAD_MISMATCH for queries of another width, SHAPE unless queries B×Q×C, masks B×Q×h×w and labels
  /// B×H×W are of the same images.
  void check_batch(const HeadBatch& batch) const;

 private:
  void check_queries(const at::Tensor& queries) const;

  int64_t width_, outputs_;
  at::ScalarType dtype_;  // of the operands of products
};

}  // namespace dinov3_seg
