#include "heads/linear_probe_heads.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <optional>

#include "core/error.h"
#include "core/tf32.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

constexpr double batch_norm_epsilon = 1e-5;
constexpr double momentum = 0.1;
constexpr double initial_deviation = 0.01;

/// Batch norm with fixed statistics and the convolution behind it, as one convolution.
struct FoldedProbe {
  at::Tensor weight;  // N×K×C
  at::Tensor bias;    // N×K
};

/// For features that the mean N×C and the (biased) variance N×C belong to.
FoldedProbe fold_probe(const ProbeParameters& parameters, const at::Tensor& mean,
                       const at::Tensor& variance) {
  const at::Tensor scale = parameters.gamma * (variance + batch_norm_epsilon).rsqrt();  // N×C
  const at::Tensor offset = parameters.beta - scale * mean;                             // N×C
  return {parameters.weight * scale.unsqueeze(-2),
          parameters.bias + (parameters.weight * offset.unsqueeze(-2)).sum(-1)};
}

/// Features B×C×h×w less `shift` C, float32. Means that are large against the deviations would cost digits in
/// the products; the statistics given to fold_probe are then those of the shifted features.
at::Tensor shifted_features(const at::Tensor& features, const at::Tensor& shift) {
  return features.to(at::kFloat) - shift.view({1, -1, 1, 1});
}

/// Scores B×R×h×w of features B×C×h×w float32 by weight R×C and bias R.
at::Tensor pointwise_scores(const at::Tensor& features, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t batch = features.size(0), h = features.size(2), w = features.size(3);
  const at::Tensor columns = features.flatten(2);  // B×C×hw
  at::Tensor scores = at::empty({batch, weight.size(0), h * w}, features.options());
  const Tf32Guard float32(features.device(), false);
  // An image at a time: one product of all would copy the weight for each image, or the features.
  for (int64_t b = 0; b < batch; ++b) {
    at::Tensor own = scores.select(0, b);  // R×hw
    at::addmm_out(own, bias.unsqueeze(1), weight, columns.select(0, b));
  }
  return scores.view({batch, weight.size(0), h, w});
}

int64_t parameters_for(int64_t width, int64_t layers, int64_t classes) {
  if (layers != 1 && layers != all_layers)
    fail("INVALID_ARGUMENT", "a linear probe reads 1 or ", all_layers, " layers, got ", layers);
  if (width % layers != 0)
    fail("HEAD_MISMATCH", "the width of a linear probe of ", layers, " layers must be a multiple of ", layers,
         ", got ", width);
  if (width < 1 || classes < 1)
    fail("INVALID_ARGUMENT", "a linear probe needs at least one channel and one class, got ", width, " and ",
         classes);
  if (classes > 255) fail("HEAD_MISMATCH", "label images have at most 255 classes, got ", classes);
  return classes * (width + 1) + 2 * width;
}

}  // namespace

/// Of a batch, for each head; the mean is that of the shifted features.
struct LinearProbeHeads::Statistics {
  at::Tensor mean;      // N×C
  at::Tensor variance;  // N×C, biased
  at::Tensor images;    // N×1, how many they are of

  /// Mean and variance B×C of each image. Equal positions in each, hence means of means.
  Statistics(const at::Tensor& means, const at::Tensor& variances, const at::Tensor& include, int64_t heads) {
    const at::Tensor taken = include.defined() ? include.t() : means.new_ones({heads, means.size(0)});  // N×B
    images = taken.sum(1, true);
    const at::Tensor share = (taken / images.clamp_min(1)).unsqueeze(2);  // N×B×1
    mean = (share * means).sum(1);
    const at::Tensor apart = (means - mean.unsqueeze(1)).square_();  // N×B×C
    variance = (share * (variances + apart)).sum(1);
  }
};

LinearProbeHeads::LinearProbeHeads(int64_t width, int64_t layers, int64_t classes, c10::Device device,
                                   const std::vector<uint64_t>& seeds, const at::Tensor& class_weights)
    : TrainedHeads(static_cast<int64_t>(seeds.size()), parameters_for(width, layers, classes), device),
      width_(width),
      layers_(layers),
      classes_(classes),
      losses_(seeds.size(), static_cast<int64_t>(ScoreLoss::cross_entropy)),
      class_weights_(checked_class_weights(class_weights, classes)),
      running_mean_(at::zeros({heads(), width}, value_.options())),
      running_var_(at::ones({heads(), width}, value_.options())) {
  const ProbeParameters own = parameters_of(value_);
  own.gamma.fill_(1);
  for (int64_t n = 0; n < heads(); ++n) {
    const auto generator = at::detail::createCPUGenerator(seeds[static_cast<size_t>(n)]);
    own.weight.select(0, n).copy_(
        at::empty({classes, width}, at::kFloat).normal_(0, initial_deviation, generator));
  }
}

ProbeParameters LinearProbeHeads::parameters_of(const at::Tensor& rows) const {
  const int64_t weights = classes_ * width_, biases = weights + classes_;
  return {rows.slice(1, 0, weights).view({heads(), classes_, width_}), rows.slice(1, weights, biases),
          rows.slice(1, biases, biases + width_), rows.slice(1, biases + width_)};
}

std::vector<std::pair<const char*, at::Tensor>> LinearProbeHeads::buffers() const {
  return {{"runningMean", running_mean_}, {"runningVar", running_var_}};
}

int64_t LinearProbeHeads::scored_classes(Scoring scoring) const {
  if (scoring != Scoring::recipe)
    fail("INVALID_ARGUMENT", "a linear probe has no output for \"no object\": expected recipe scoring");
  return classes_;
}

DenseScores LinearProbeHeads::dense_scores(const NetworkOutputs& outputs, Scoring scoring) const {
  scored_classes(scoring);
  DenseScores scores(forward(outputs).select(1, 0));
  scores.watch(outputs.marks);
  return scores;
}

at::Tensor LinearProbeHeads::forward(const NetworkOutputs& outputs) const {
  const at::Tensor features = own_channels(outputs.features);
  const at::Tensor shift = running_mean_.mean(0);
  const FoldedProbe folded = fold_probe(parameters_of(value_), running_mean_ - shift, running_var_);
  return pointwise_scores(shifted_features(features.to(device()), shift), folded.weight.flatten(0, 1),
                          folded.bias.flatten())
      .view({features.size(0), heads(), classes_, features.size(2), features.size(3)});
}

/// The channels that the probe reads, the last ones. All layers' features are those of the last one too.
at::Tensor LinearProbeHeads::own_channels(const at::Tensor& features) const {
  const auto fits = [&](int64_t channels) {
    return channels == width_ || (layers_ == 1 && channels == all_layers * width_);
  };
  if (!features.defined() || features.dim() != 4 || !fits(features.size(1)) || features.numel() == 0)
    fail("HEAD_MISMATCH", "the linear probe expects features B×", width_, "×h×w, got ", features.sizes(),
         "; use a probe trained on this network's backbone");
  return features.slice(1, features.size(1) - width_);
}

void LinearProbeHeads::check_batch(const HeadBatch& batch) const {
  if (!batch.features.defined() || !batch.labels.defined())
    fail("INVALID_ARGUMENT", "linear probes learn from features and labels; one of them is missing");
  own_channels(batch.features);
  if (static_cast<int64_t>(batch.records.size()) != batch.features.size(0))
    fail("SHAPE", "expected a record number for each of ", batch.features.size(0), " images, got ",
         batch.records.size());
}

HeadLosses LinearProbeHeads::accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) {
  check_batch(batch);
  const at::Tensor given = own_channels(batch.features);
  const int64_t images = given.size(0), h = given.size(2), w = given.size(3);
  if (h * w < 2) fail("SHAPE", "batch norm needs more than one position per image, got features 1×1");
  const auto [variances, means] = at::var_mean(given.to(at::kFloat).flatten(2), {2}, 0);  // B×C
  const at::Tensor shift = means.mean(0);
  const at::Tensor features = shifted_features(given, shift);
  const Statistics statistics(means - shift, variances, include, heads());
  move_running(statistics, shift, h * w);

  const FoldedProbe folded = fold_probe(parameters_of(value_), statistics.mean, statistics.variance);
  const at::Tensor scores = pointwise_scores(features, folded.weight.flatten(0, 1), folded.bias.flatten());
  const auto weights = class_weights_.defined() ? std::optional(class_weights_) : std::nullopt;
  auto [sums, d_scores] =
      score_loss(scores.view({images, heads(), classes_, h, w}), batch.labels, weights, losses_, true);
  const HeadMeans mean = mean_of(sums, include, scale);
  d_scores.mul_(mean.factor.view({images, heads(), 1, 1, 1}));
  backward(features, d_scores, statistics);
  return mean;
}

void LinearProbeHeads::move_running(const Statistics& statistics, const at::Tensor& shift,
                                    int64_t positions) {
  const at::Tensor count = statistics.images * positions;  // N×1
  const at::Tensor unbiased = statistics.variance * (count / (count - 1));
  const at::Tensor learns = statistics.images.gt(0);
  const auto move = [&](at::Tensor& running, const at::Tensor& value) {
    running.copy_(at::where(learns, running.lerp(value, momentum), running));
  };
  move(running_mean_, statistics.mean + shift);
  move(running_var_, unbiased);
}

/// With x̂ the normalised features, Σ over images and positions: dW = γ·Σ d x̂ + β·Σ d, db = Σ d, dγ = Σ_k W·Σ
/// d x̂, dβ = Σ_k W·Σ d. Features need no gradient, so the statistics are constants. Σ d x̂ follows from Σ d x,
/// which is one product for all heads.
void LinearProbeHeads::backward(const at::Tensor& features, const at::Tensor& d_scores,
                                const Statistics& statistics) {
  const int64_t images = features.size(0), rows = heads() * classes_;
  const at::Tensor d_rows = d_scores.reshape({images, rows, -1});                           // B×NK×hw
  const at::Tensor d_sum = d_rows.sum(at::IntArrayRef{0, 2}).view({heads(), classes_, 1});  // N×K×1
  at::Tensor products = at::zeros({rows, width_}, features.options());                      // NK×C
  const Tf32Guard float32(features.device(), false);
  products.addbmm_(d_rows, features.flatten(2).transpose(1, 2));
  const at::Tensor deviation = (statistics.variance + batch_norm_epsilon).rsqrt().unsqueeze(1);  // N×1×C
  const at::Tensor normalised = products.view({heads(), classes_, width_})
                                    .sub_(d_sum * statistics.mean.unsqueeze(1))
                                    .mul_(deviation);  // N×K×C
  const ProbeParameters value = parameters_of(value_), gradient = parameters_of(gradient_);
  gradient.gamma.add_((value.weight * normalised).sum(1));
  gradient.beta.add_((value.weight * d_sum).sum(1));
  gradient.bias.add_(d_sum.squeeze(2));
  gradient.weight.addcmul_(normalised, value.gamma.unsqueeze(1)).addcmul_(d_sum, value.beta.unsqueeze(1));
}

at::Tensor LinearProbeHeads::losses(const HeadBatch& batch) {
  check_batch(batch);
  return std::get<0>(score_loss(forward(batch), batch.labels, {}, losses_, false));
}

HeadCounts LinearProbeHeads::evaluate(const HeadBatch& batch) {
  check_batch(batch);
  const at::Tensor scores = forward(batch);
  return {std::get<0>(score_loss(scores, batch.labels, {}, losses_, false)),
          score_counts(scores, batch.labels)};
}

std::shared_ptr<TrainedHeads> LinearProbeHeads::copy_on(c10::Device device, int replica) const {
  const auto copy = std::make_shared<LinearProbeHeads>(*this);
  copy->stand_alone(device, replica, {&copy->class_weights_, &copy->running_mean_, &copy->running_var_});
  return copy;
}

}  // namespace dinov3_seg
