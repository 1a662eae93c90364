#include "training/set_loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "training/segment_matching.h"

namespace dinov3_seg {
namespace {

constexpr double mask_class_weight = 2, mask_weight = 5, dice_weight = 5, no_object_weight = 0.1;

void check(const at::Tensor& logits, const at::Tensor& masks, const SegmentTargets& targets) {
  const bool fits = logits.dim() == 4 && masks.dim() >= 4 && masks.size(0) == logits.size(0) &&
                    masks.size(1) == logits.size(1) && masks.size(2) == logits.size(2);
  const bool targets_fit =
      targets.shares.dim() == 3 && targets.counted.dim() == 2 && targets.shares.size(0) == logits.size(0) &&
      targets.classes.size() == static_cast<size_t>(logits.size(0)) &&
      targets.counted.size(0) == logits.size(0) && targets.counted.size(1) == targets.shares.size(2);
  if (!fits || !targets_fit || masks.flatten(3).size(3) != targets.counted.size(1))
    fail("SHAPE",
         "expected class logits B×L×Q×K, mask logits B×L×Q×h×w, shares B×S×hw and counted B×hw, got ",
         logits.sizes(), ", ", masks.sizes(), ", ", targets.shares.sizes(), " and ", targets.counted.sizes());
  for (const auto& classes : targets.classes)
    for (const int64_t each : classes)
      if (each < no_class || each >= logits.size(3) - 1 ||
          static_cast<int64_t>(classes.size()) > targets.shares.size(1))
        fail("LABEL_VALUE", "a segment has class ", each, " of ", logits.size(3) - 1);
}

/// The views' classes B×S; no_class where a view has fewer segments.
at::Tensor class_table(const SegmentTargets& targets) {
  const int64_t segments = targets.shares.size(1);
  at::Tensor table = at::full({targets.shares.size(0), segments}, no_class, at::kLong);
  auto* out = table.mutable_data_ptr<int64_t>();
  for (size_t b = 0; b < targets.classes.size(); ++b)
    std::copy(targets.classes[b].begin(), targets.classes[b].end(), out + static_cast<int64_t>(b) * segments);
  return table.to(targets.shares.device(), true);
}

/// Costs and areas as match_segments takes them, on the device.
at::Tensor costs_of(const at::Tensor& logits, const at::Tensor& masks, const SegmentTargets& targets) {
  const at::Tensor counted = targets.counted.unsqueeze(1);               // B×1×hw
  const at::Tensor shares = targets.shares.transpose(1, 2);              // B×hw×S
  const at::Tensor areas = targets.shares.sum(2).unsqueeze(1);           // B×1×S
  const at::Tensor x = masks.flatten(1, 2);                              // B×LQ×hw
  const at::Tensor p = x.sigmoid().mul_(counted);                        // B×LQ×hw
  const at::Tensor spread = at::softplus(x).mul_(counted).sum(2, true);  // B×LQ×1
  const at::Tensor mask = (spread - at::bmm(x, shares)) / counted.sum(2, true).clamp_min(1);
  const at::Tensor dice = 1 - (2 * at::bmm(p, shares) + 1) / (p.sum(2, true) + areas + 1);
  const at::Tensor probabilities = logits.flatten(1, 2).softmax(2);  // B×LQ×K
  const at::Tensor table = class_table(targets).unsqueeze(1);        // B×1×S
  const at::Tensor columns = table.clamp_min(0).expand({-1, probabilities.size(1), -1});
  const at::Tensor own = probabilities.gather(2, columns) * table.ne(no_class);  // B×LQ×S
  const at::Tensor costs = mask_weight * mask + dice_weight * dice - mask_class_weight * own;
  return at::cat({costs, areas}, 1);
}

}  // namespace

SetLoss set_loss(const at::Tensor& logits, const at::Tensor& masks, const SegmentTargets& targets) {
  check(logits, masks, targets);
  const auto layers = static_cast<double>(logits.size(1));
  const int64_t no_object = logits.size(3) - 1;
  const at::Tensor maps = masks.flatten(3);  // B×L×Q×hw
  Matching matching;
  {
    const c10::NoGradGuard no_grad;
    matching = match_segments(
        costs_of(logits.detach(), maps.detach(), targets).to(at::kCPU, at::kFloat).contiguous(),
        targets.classes, logits.size(1), no_object);
  }
  const c10::Device device = logits.device();
  at::Tensor weights = at::ones({logits.size(3)}, logits.options().requires_grad(false));
  weights.slice(0, no_object).fill_(no_object_weight);
  SetLoss loss;
  loss.classes = layers * at::cross_entropy_loss(logits.flatten(0, 2),
                                                 matching.classes.to(device, true).flatten(), weights);
  if (matching.queries.numel() == 0) {
    loss.mask = loss.dice = maps.sum() * 0;
  } else {
    const at::Tensor segment = matching.segments.to(device, true);
    const at::Tensor x = maps.flatten(0, 2).index_select(0, matching.queries.to(device, true));  // M×hw
    const at::Tensor t = targets.shares.flatten(0, 1).index_select(0, segment);
    const at::Tensor counted = targets.counted.index_select(0, segment.div(targets.shares.size(1), "floor"));
    const at::Tensor p = x.sigmoid() * counted;
    const at::Tensor mask = ((at::softplus(x) - x * t) * counted).sum(1) / counted.sum(1).clamp_min(1);
    const at::Tensor dice = 1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1);
    loss.mask = layers * mask.mean();
    loss.dice = layers * dice.mean();
  }
  loss.total = mask_class_weight * loss.classes + mask_weight * loss.mask + dice_weight * loss.dice;
  return loss;
}

}  // namespace dinov3_seg
