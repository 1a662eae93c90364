// Heads that are a linear layer C → R on the network's queries, N of them in one product.
// Legend as in trained_heads.h; R outputs of a head.
#pragma once

#include "heads/trained_heads.h"

namespace dinov3_seg {

/// A head's parameters stand as weight R×C row by row, then bias R. Rounding is ClassEmbed's (see Precision).
class LinearHeads : public TrainedHeads {
 public:
  int64_t hidden() const { return hidden_; }
  int64_t outputs() const { return outputs_; }

 protected:
  /// Copies of weight N×R×C and bias N×R. Throws HEAD_MISMATCH for other shapes.
  LinearHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device, Precision precision);

  /// Logits B×Q×N×R float32 of queries B×Q×C.
  at::Tensor forward(const at::Tensor& queries) const;
  /// Adds the gradients of queries B×Q×C and d_logits B×Q×N×R.
  void backward(const at::Tensor& queries, const at::Tensor& d_logits);

  /// Throws HEAD_MISMATCH for queries of another width, SHAPE unless queries B×Q×C, masks B×Q×h×w and labels
  /// B×H×W are of the same images.
  void check_batch(const HeadBatch& batch) const;

 private:
  int64_t hidden_, outputs_;
  at::ScalarType dtype_;  // of the operands of products
};

}  // namespace dinov3_seg
