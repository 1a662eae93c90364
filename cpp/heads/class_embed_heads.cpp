#include "heads/class_embed_heads.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/tf32.h"

namespace dinov3_seg {
namespace {

// Scores of all heads that are held at a time, 256 MB in float32.
constexpr int64_t score_elements = 64 << 20;

/// Calls `use(first, end, masks b×Q×hw, scores b×N×K×h×w)` for some images at a time. classes: B×Q×N×K.
template <typename Use>
void each_scores(const at::Tensor& classes, const at::Tensor& masks, Use use) {
  const int64_t batch = masks.size(0), h = masks.size(2), w = masks.size(3);
  const int64_t heads = classes.size(2), outputs = classes.size(3);
  const Tf32Guard float32(masks.device(), false);
  const int64_t some = std::max<int64_t>(1, score_elements / std::max<int64_t>(1, heads * outputs * h * w));
  for (int64_t first = 0; first < batch; first += some) {
    const int64_t end = std::min(batch, first + some);
    const at::Tensor own_masks = mask_probabilities(masks.slice(0, first, end)).flatten(2);  // b×Q×hw
    const at::Tensor columns = classes.slice(0, first, end).flatten(2).transpose(1, 2);      // b×NK×Q
    const at::Tensor scores = at::bmm(columns, own_masks).view({end - first, heads, outputs, h, w});
    use(first, end, own_masks, scores);
  }
}

std::optional<at::Tensor> optional_of(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

}  // namespace

ScoreLoss parse_score_loss(const std::string& name) {
  if (name == "cross-entropy") return ScoreLoss::cross_entropy;
  if (name == "nll") return ScoreLoss::nll;
  fail("INVALID_ARGUMENT", "unknown loss '", name, "': expected cross-entropy or nll");
}

ClassEmbedHeads::ClassEmbedHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device,
                                 Precision precision, const std::vector<ScoreLoss>& losses,
                                 const at::Tensor& class_weights)
    : LinearHeads(weight, bias, device, precision),
      class_weights_(checked_class_weights(class_weights, outputs())) {
  if (outputs() > 255) fail("HEAD_MISMATCH", "label images have at most 255 classes, got ", outputs());
  if (static_cast<int64_t>(losses.size()) != heads())
    fail("INVALID_ARGUMENT", "expected a loss for each of ", heads(), " heads, got ", losses.size());
  for (const ScoreLoss loss : losses) losses_.push_back(static_cast<int64_t>(loss));
}

HeadLosses ClassEmbedHeads::accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) {
  check_batch(batch);
  const at::Tensor classes = at::softmax(forward(batch), -1);  // B×Q×N×K
  std::vector<at::Tensor> sums, gradients;
  each_scores(
      classes, batch.masks, [&](int64_t first, int64_t end, const at::Tensor& masks, const auto& scores) {
        const auto [sum, d_scores] =
            score_loss(scores, batch.labels.slice(0, first, end), optional_of(class_weights_), losses_, true);
        sums.push_back(sum);  // b×N×2
        const at::Tensor columns = d_scores.reshape({end - first, heads() * outputs(), masks.size(2)});
        gradients.push_back(at::bmm(masks, columns.transpose(1, 2)));  // b×Q×NK
      });
  const HeadMeans means = mean_of(at::cat(sums), include, scale);
  const at::Tensor d_classes =
      at::cat(gradients).view(classes.sizes()) * means.factor.unsqueeze(1).unsqueeze(3);
  backward(batch.queries, at::_softmax_backward_data(d_classes, classes, -1, at::kFloat));
  return means;
}

at::Tensor ClassEmbedHeads::losses(const HeadBatch& batch) {
  check_batch(batch);
  std::vector<at::Tensor> losses;
  each_scores(at::softmax(forward(batch), -1), batch.masks,
              [&](int64_t first, int64_t end, const at::Tensor&, const auto& scores) {
                losses.push_back(
                    std::get<0>(score_loss(scores, batch.labels.slice(0, first, end), {}, losses_, false)));
              });
  return at::cat(losses);
}

HeadCounts ClassEmbedHeads::evaluate(const HeadBatch& batch) {
  check_batch(batch);
  const at::Tensor classes = at::softmax(forward(batch), -1);  // B×Q×N×K
  std::vector<at::Tensor> losses, confusion;
  each_scores(classes, batch.masks, [&](int64_t first, int64_t end, const at::Tensor&, const auto& scores) {
    const at::Tensor labels = batch.labels.slice(0, first, end);
    losses.push_back(std::get<0>(score_loss(scores, labels, {}, losses_, false)));
    confusion.push_back(score_counts(scores, labels));
  });
  return {at::cat(losses), at::cat(confusion)};
}

std::shared_ptr<TrainedHeads> ClassEmbedHeads::copy_on(c10::Device device, int replica) const {
  const auto copy = std::make_shared<ClassEmbedHeads>(*this);
  copy->stand_alone(device, replica, {&copy->class_weights_});
  return copy;
}

}  // namespace dinov3_seg
