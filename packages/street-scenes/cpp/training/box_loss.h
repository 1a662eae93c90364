// The loss of a set of boxes.
// Legend: B views, L predictions (layers), Q queries, K class outputs, T boxes (the most of a view).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// What is to be found in a batch of views of one size.
struct BoxTargets {
  int64_t height = 0, width = 0;  // of the views, pixels
  at::Tensor boxes;               // B×T×4: centre x, centre y, width, height in pixels; 0 beyond a view's own
  std::vector<std::vector<int64_t>> classes;  // of each view's boxes, T at most
};

/// Each a sum over the L predictions, without its weight.
struct BoxLoss {
  at::Tensor total;  // 2·classes + 5·l1 + 2·giou
  at::Tensor classes, l1, giou;
};

/// Of class logits B×L×Q×K (before the sigmoid) and boxes B×L×Q×4 as the targets', by autograd. In each
/// prediction every box of a view is matched with `repeats` queries, all at least total cost of 2·c + 5·l1 −
/// 2·g: c the focal loss of the query's being of the box's class less that of its not being, l1 the sum of
/// the four differences as shares of the view, g the generalised IoU. Then, n being repeats times the batch's
/// boxes (at least 1),
///   classes = Σ over all queries and outputs of the focal loss (alpha 0.25, gamma 2), / n,
///   l1      = Σ over matched pairs of l1, / n,
///   giou    = Σ over matched pairs of 1 − g, / n.
/// Waits once for the device. Sources: Carion et al. 2020, section 3.1; Zhu et al. 2021, appendix; Lin et al.
/// 2017; Rezatofighi et al. 2019; repeats: Jia et al. 2023, section 3. Throws SHAPE, LABEL_VALUE,
/// INVALID_ARGUMENT (outputs that are not finite).
BoxLoss box_loss(const at::Tensor& logits, const at::Tensor& boxes, const BoxTargets& targets,
                 int64_t repeats = 1);

}  // namespace dinov3_seg
