// class_embed heads that learn from dense scores (the recipe), side by side. Legend as in trained_heads.h.
#pragma once

#include <string>
#include <vector>

#include "heads/linear_heads.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

/// `cross-entropy` (with the scores as logits) or `nll`. Throws INVALID_ARGUMENT.
ScoreLoss parse_score_loss(const std::string& name);

/// Softmax of the logits, Σ_q probability · mask at mask resolution, resized bilinearly to the labels.
class ClassEmbedHeads : public LinearHeads {
 public:
  /// weight N×K×C and bias N×K; `losses` one a head; class weights N×K or undefined (all 1).
  /// Throws HEAD_MISMATCH, SHAPE, INVALID_ARGUMENT.
  ClassEmbedHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device, Precision precision,
                  const std::vector<ScoreLoss>& losses, const at::Tensor& class_weights);

  /// Pixels weigh what their classes do: Σ w·loss / Σ w, as PyTorch's weighted cross_entropy has it.
  HeadLosses accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) override;

  /// Without class weights, so that heads with different ones compare.
  at::Tensor losses(const HeadBatch& batch) override;
  HeadCounts evaluate(const HeadBatch& batch) override;
  std::shared_ptr<TrainedHeads> copy_on(c10::Device device, int replica) const override;

 private:
  std::vector<int64_t> losses_;
  at::Tensor class_weights_;  // N×K, or undefined
};

}  // namespace dinov3_seg
