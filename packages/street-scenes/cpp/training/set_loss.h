// Mask2Former's loss of a set of predictions.
// Legend: B views, L predictions (layers + 1), Q queries, K class outputs with "no object" last, S segments,
// hw cells.
#pragma once

#include <ATen/core/Tensor.h>

#include "training/training_scenes.h"

namespace dinov3_seg {

/// Each a sum over the L predictions, without its weight.
struct SetLoss {
  at::Tensor total;  // 2·classes + 5·mask + 5·dice
  at::Tensor classes, mask, dice;
};

/// Of class logits B×L×Q×K and mask logits B×L×Q×hw (or ×h×w), float32, by autograd. In each prediction the
/// view's segments are matched with queries at least cost −2·p(class) + 5·mask + 5·dice; then, means over all
/// of the batch,
///   classes = cross entropy, "no object" for unmatched queries with weight 0.1 (weighted mean;
///             queries matched with a segment without a class are left out),
///   mask    = mean over matched pairs of Σ (log(1 + eˣ) − x·t) / n over the n counted cells,
///   dice    = mean over matched pairs of 1 − (2·Σ p·t + 1) / (Σ p + Σ t + 1).
/// The cells' shares t are the targets, all cells take part: no random points. Waits once for the device.
/// Source: Mask2Former (Cheng et al. 2022), section 3.3 and its matcher. Throws SHAPE, INVALID_ARGUMENT.
SetLoss set_loss(const at::Tensor& logits, const at::Tensor& masks, const SegmentTargets& targets);

}  // namespace dinov3_seg
