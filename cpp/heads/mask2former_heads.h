// class_embed heads with an output for "no object" that learn as Mask2Former does, side by side.
// Legend as in trained_heads.h; R = K + 1 outputs, the last one "no object".
#pragma once

#include "heads/linear_heads.h"
#include "heads/mask_costs.h"

namespace dinov3_seg {

/// Loss of an image: each class of its labels is matched with a query (least cost of class probability, mask
/// and dice, weights 2, 5, 5); cross entropy of the queries' logits, matched ones against their class, all
/// others against "no object" with weight 0.1; weighted mean over queries. An image without a counted pixel
/// has no queries that count. Masks are frozen: their losses would have no gradient, and are left out.
/// Source: Mask2Former (Cheng et al. 2022), its loss_labels and matcher; see mask_costs for what is
/// deterministic here.
class Mask2FormerHeads : public LinearHeads {
 public:
  /// weight N×R×C and bias N×R; class weights N×K or undefined (all 1), which multiply the weights of matched
  /// queries. Throws HEAD_MISMATCH, SHAPE, INVALID_ARGUMENT.
  Mask2FormerHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device, Precision precision,
                   const at::Tensor& class_weights);

  /// Matching is done on the CPU: waits once for the probabilities, and once for each record that is new.
  HeadLosses accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) override;

  /// Without class weights, so that heads with different ones compare.
  at::Tensor losses(const HeadBatch& batch) override;
  /// Losses as losses() gives them. Counts with `ade20k` scoring,
  /// some rows of an image at a time.
  HeadCounts evaluate(const HeadBatch& batch) override;
  std::shared_ptr<TrainedHeads> copy_on(c10::Device device, int replica) const override;

 private:
  struct Loss;
  Loss loss_of(const HeadBatch& batch, const at::Tensor& target_weights);
  at::Tensor match(const HeadBatch& batch, const at::Tensor& probabilities);
  at::Tensor confusion_of(const at::Tensor& classes, const at::Tensor& masks, const at::Tensor& labels) const;

  int64_t classes() const { return outputs() - 1; }

  at::Tensor weights_,
      plain_weights_;  // N×(K+2) of what a query is matched with: K classes, no object, left out
  MaskCostStore costs_;
};

}  // namespace dinov3_seg
