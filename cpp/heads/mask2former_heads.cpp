#include "heads/mask2former_heads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/dense_scores.h"
#include "core/error.h"
#include "core/hungarian.h"
#include "core/job_control.h"
#include "core/tf32.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

constexpr double class_cost_weight = 2;
constexpr double no_object_weight = 0.1;
// Masks and scores of a band of rows that are held at a time, 64 MB in float32.
constexpr int64_t band_elements = 16 << 20;

/// Query of each class of an image under a head with `probabilities`, Q rows `stride` apart.
std::vector<int64_t> queries_of_classes(const MaskCosts& image, const float* probabilities, int64_t queries,
                                        int64_t stride) {
  const auto count = static_cast<int64_t>(image.classes.size());
  std::vector<double> costs(image.costs.size());  // T×Q
  for (int64_t t = 0; t < count; ++t)
    for (int64_t q = 0; q < queries; ++q) {
      const double p = probabilities[q * stride + image.classes[static_cast<size_t>(t)]];
      // A head that has diverged has no probabilities; its loss tells.
      costs[static_cast<size_t>(t * queries + q)] =
          image.costs[static_cast<size_t>(q * count + t)] - class_cost_weight * (std::isfinite(p) ? p : 0);
    }
  return assign_least_cost(costs, count, queries);
}

}  // namespace

struct Mask2FormerHeads::Loss {
  at::Tensor log_probs;  // B×Q×N×R
  at::Tensor targets;    // B×Q×N int64, below R
  at::Tensor weights;    // B×Q×N
  at::Tensor sums;       // B×N×2 float64
};

Mask2FormerHeads::Mask2FormerHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device,
                                   Precision precision, const at::Tensor& class_weights)
    : LinearHeads(weight, bias, device, precision) {
  if (classes() < 1 || classes() > 255)
    fail("HEAD_MISMATCH", "expected 1 to 255 classes and an output for no object, got ", outputs(),
         " outputs");
  const at::Tensor given = checked_class_weights(class_weights, classes());
  plain_weights_ = at::ones({heads(), classes() + 2}, value_.options());
  plain_weights_.select(1, classes()).fill_(no_object_weight);
  plain_weights_.select(1, classes() + 1).zero_();
  weights_ = plain_weights_.clone();
  if (given.defined()) weights_.slice(1, 0, classes()).copy_(given);
}

/// What each query is matched with, B×Q×N int64 on the CPU: a class, K (no object) or K + 1 (left out).
at::Tensor Mask2FormerHeads::match(const HeadBatch& batch, const at::Tensor& probabilities) {
  const int64_t images = batch.masks.size(0), queries = batch.masks.size(1), count = heads();
  at::Tensor targets = at::full({images, queries, count}, classes(), at::kLong);
  for (int64_t b = 0; b < images; ++b) {
    const MaskCosts& image = costs_.of(batch.records[static_cast<size_t>(b)], [&] {
      return mask_costs(mask_logits(batch.masks[b]), batch.labels[b], classes());
    });
    if (image.classes.empty()) {
      targets[b].fill_(classes() + 1);
      continue;
    }
    if (static_cast<int64_t>(image.costs.size()) != queries * static_cast<int64_t>(image.classes.size()))
      fail("INVALID_ARGUMENT", "record ", batch.records[static_cast<size_t>(b)],
           " had a different number of queries before; equal record numbers must stand for equal arrays");
    auto* matched = targets.mutable_data_ptr<int64_t>() + b * queries * count;
    const float* own = probabilities.const_data_ptr<float>() + b * queries * count * outputs();
    at::parallel_for(0, count, 1, [&](int64_t first, int64_t end) {
      for (int64_t n = first; n < end; ++n) {
        const auto query = queries_of_classes(image, own + n * outputs(), queries, count * outputs());
        for (size_t t = 0; t < query.size(); ++t)
          if (query[t] >= 0) matched[query[t] * count + n] = image.classes[t];
      }
    });
  }
  return targets;
}

Mask2FormerHeads::Loss Mask2FormerHeads::loss_of(const HeadBatch& batch, const at::Tensor& target_weights) {
  check_batch(batch);
  Loss loss;
  loss.log_probs = at::log_softmax(forward(batch), -1);  // B×Q×N×R
  const at::Tensor matched = match(batch, loss.log_probs.exp().to(at::kCPU)).to(device(), true);
  loss.targets = matched.clamp_max(classes());
  loss.weights = target_weights.t().gather(0, matched.flatten(0, 1)).view(matched.sizes());
  const at::Tensor nll = -loss.log_probs.gather(3, loss.targets.unsqueeze(3)).squeeze(3);  // B×Q×N
  const auto total = [](const at::Tensor& values) { return values.sum(1, false, at::kDouble); };
  loss.sums = at::stack({total(loss.weights * nll), total(loss.weights)}, 2);
  return loss;
}

HeadLosses Mask2FormerHeads::accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) {
  const Loss loss = loss_of(batch, weights_);
  const HeadMeans means = mean_of(loss.sums, include, scale);
  const at::Tensor index = loss.targets.unsqueeze(3);  // B×Q×N×1
  const at::Tensor difference =
      loss.log_probs.exp().scatter_add_(3, index, at::full_like(index, -1, at::kFloat));
  backward(batch.queries, difference * (loss.weights * means.factor.unsqueeze(1)).unsqueeze(3));
  return means;
}

at::Tensor Mask2FormerHeads::losses(const HeadBatch& batch) { return loss_of(batch, plain_weights_).sums; }

/// Confusion counts 1×N×K×K of one image: classes Q×N×K, masks Q×h×w, labels H×W.
at::Tensor Mask2FormerHeads::confusion_of(const at::Tensor& classes, const at::Tensor& masks,
                                          const at::Tensor& labels) const {
  const int64_t height = labels.size(0), width = labels.size(1), queries = masks.size(0);
  const at::Tensor columns = classes.flatten(1).t();          // NK×Q
  const at::Tensor logits = mask_logits(masks).unsqueeze(0);  // 1×Q×h×w
  const int64_t per_row = (queries + columns.size(0)) * width;
  const int64_t band = std::clamp<int64_t>(band_elements / per_row, 1, height);
  at::Tensor counts;
  for (int64_t first = 0; first < height; first += band) {
    check_cancelled();
    const int64_t rows = std::min(band, height - first);
    const at::Tensor resized = resize_rows(logits, height, width, first, rows).sigmoid_();
    const at::Tensor scores = mm_float32(columns, resized.view({queries, rows * width}))
                                  .view({1, heads(), classes.size(2), rows, width});
    const at::Tensor own = score_counts(scores, labels.slice(0, first, first + rows).unsqueeze(0));
    counts = counts.defined() ? counts.add_(own) : own;
  }
  return counts;
}

HeadCounts Mask2FormerHeads::evaluate(const HeadBatch& batch) {
  const Loss loss = loss_of(batch, plain_weights_);
  const at::Tensor kept = loss.log_probs.slice(3, 0, classes()).exp();  // B×Q×N×K
  std::vector<at::Tensor> confusion;
  for (int64_t b = 0; b < batch.masks.size(0); ++b)
    confusion.push_back(confusion_of(kept[b], batch.masks[b], batch.labels[b]));
  return {loss.sums, at::cat(confusion)};
}

std::shared_ptr<TrainedHeads> Mask2FormerHeads::copy_on(c10::Device device, int replica) const {
  const auto copy = std::make_shared<Mask2FormerHeads>(*this);
  copy->stand_alone(device, replica, {&copy->weights_, &copy->plain_weights_});
  return copy;
}

}  // namespace dinov3_seg
