// The operators by libtorch's own: for devices without a fused kernel, and the truth that those are tested
// against.
#include <ATen/ATen.h>
#include <torch/library.h>

#include "core/error.h"
#include "ops/score_checks.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

constexpr int64_t ignored = 255;

/// Loss of each pixel B×H×W and its gradient by the resized scores B×K×H×W.
struct PixelLoss {
  at::Tensor loss;
  at::Tensor d_resized;
};

PixelLoss cross_entropy(const at::Tensor& resized, const at::Tensor& index, bool gradient) {
  const at::Tensor log_probs = at::log_softmax(resized, 1);
  PixelLoss result{-log_probs.gather(1, index).squeeze(1), {}};
  if (gradient)
    result.d_resized = log_probs.exp().scatter_add_(1, index, at::full_like(index, -1, at::kFloat));
  return result;
}

PixelLoss nll(const at::Tensor& resized, const at::Tensor& index, bool gradient) {
  const at::Tensor shifted = resized + nll_epsilon;
  const at::Tensor total = shifted.sum(1, true), own = shifted.gather(1, index);
  PixelLoss result{(total.log() - own.log()).squeeze(1), {}};
  if (gradient)
    result.d_resized =
        total.reciprocal().expand_as(resized).contiguous().scatter_add_(1, index, -own.reciprocal());
  return result;
}

std::tuple<at::Tensor, at::Tensor> score_loss_reference(const at::Tensor& scores, const at::Tensor& labels,
                                                        const std::optional<at::Tensor>& class_weights,
                                                        at::IntArrayRef losses, bool gradient) {
  const ScoreSizes size = check_scores(scores, labels, class_weights, losses);
  const at::Tensor targets = labels.to(at::kLong);
  const at::Tensor counted = targets.ne(ignored);
  const at::Tensor index = at::where(counted, targets, 0).unsqueeze(1);  // B×1×H×W
  std::vector<at::Tensor> sums, gradients;
  for (int64_t n = 0; n < size.heads; ++n) {
    const at::Tensor own = scores.select(1, n).contiguous();  // B×K×h×w
    const at::Tensor resized = at::upsample_bilinear2d(own, {size.height, size.width}, false);
    const PixelLoss pixels = losses[static_cast<size_t>(n)] == static_cast<int64_t>(ScoreLoss::nll)
                                 ? nll(resized, index, gradient)
                                 : cross_entropy(resized, index, gradient);
    at::Tensor weight = counted.to(at::kFloat);  // B×H×W
    if (class_weights) weight = weight * class_weights->select(0, n).take(index.squeeze(1));
    const auto total = [](const at::Tensor& values) { return values.flatten(1).sum(1, false, at::kDouble); };
    sums.push_back(at::stack({total(weight * pixels.loss), total(weight)}, 1));
    if (gradient)
      gradients.push_back(at::upsample_bilinear2d_backward(pixels.d_resized * weight.unsqueeze(1),
                                                           {size.height, size.width}, own.sizes(), false));
  }
  return {at::stack(sums, 1), gradient ? at::stack(gradients, 1) : at::Tensor()};
}

at::Tensor score_counts_reference(const at::Tensor& scores, const at::Tensor& labels) {
  const ScoreSizes size = check_scores(scores, labels, {}, {});
  const at::Tensor targets = labels.to(at::kLong);  // B×H×W
  const at::Tensor counted = targets.ne(ignored);
  const int64_t pairs = size.classes * size.classes;
  at::Tensor counts = at::zeros({size.batch, size.heads, pairs + 1}, targets.options());
  for (int64_t n = 0; n < size.heads; ++n) {
    const at::Tensor best =
        at::upsample_bilinear2d(scores.select(1, n).contiguous(), {size.height, size.width}, false).argmax(1);
    // The last bin takes what is not counted.
    const at::Tensor pair = at::where(counted, targets * size.classes + best, pairs).flatten(1);
    counts.select(1, n).scatter_add_(1, pair, at::ones_like(pair));
  }
  return counts.slice(2, 0, pairs).reshape({size.batch, size.heads, size.classes, size.classes});
}

at::Tensor adamw_step_reference(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg,
                                at::Tensor& exp_avg_sq, const at::Tensor& coefficients, double beta1,
                                double beta2, double epsilon) {
  check_adamw(value, gradient, exp_avg, exp_avg_sq, coefficients);
  const auto column = [&](int64_t index) { return coefficients.slice(1, index, index + 1); };  // N×1
  const at::Tensor norm = gradient.norm(2, {1}, true);                                         // N×1
  const at::Tensor is_active = column(active).gt(0);
  const at::Tensor clipped = gradient * (column(max_norm) / (norm + 1e-6)).clamp_max(1);
  const auto update = [&](at::Tensor& target, const at::Tensor& next) {
    target.copy_(at::where(is_active, next, target));
  };
  update(exp_avg, exp_avg.lerp(clipped, 1 - beta1));
  update(exp_avg_sq, (exp_avg_sq * beta2).addcmul_(clipped, clipped, 1 - beta2));
  const at::Tensor denominator = exp_avg_sq.sqrt().div_(column(root_correction2)).add_(epsilon);
  update(value, value * column(decay) - exp_avg / denominator * column(step_size));
  gradient.zero_();
  return norm.squeeze(1);
}

void implement_score_ops(torch::Library& library) {
  library.impl("score_loss", score_loss_reference);
  library.impl("score_counts", score_counts_reference);
  library.impl("adamw_step", adamw_step_reference);
}

}  // namespace

TORCH_LIBRARY_IMPL(dinov3_seg, CompositeExplicitAutograd, library) { implement_score_ops(library); }
TORCH_LIBRARY_IMPL(dinov3_seg_reference, CompositeExplicitAutograd, library) { implement_score_ops(library); }

}  // namespace dinov3_seg
