// Heads, one or several side by side, on the frozen network's outputs: creation, gradients, steps, state,
// class maps.
#include <ATen/ATen.h>

#include "bindings/heads.h"
#include "bindings/images.h"
#include "bindings/placement.h"
#include "core/confusion.h"
#include "core/error.h"
#include "core/relative_error.h"
#include "heads/class_embed_heads.h"
#include "heads/linear_probe_heads.h"
#include "heads/mask2former_heads.h"
#include "ops/class_map.h"

namespace dinov3_seg {

template <>
struct Js<Precision> : Named<parse_precision> {};
template <>
struct Js<ScoreLoss> : Named<parse_score_loss> {};

template <>
inline constexpr auto fields<HeadBatch> =
    std::tuple_cat(fields<NetworkOutputs>, std::tuple{field("labels", &HeadBatch::labels),
                                                      optional_field("records", &HeadBatch::records)});
inline void check_fields(HeadBatch& batch) {
  if (batch.records.empty() && batch.labels.dim() > 0)
    batch.records.assign(static_cast<size_t>(batch.labels.size(0)), -1);
}

template <>
inline constexpr auto fields<HeadLosses> =
    std::tuple{field<Values>("loss", &HeadLosses::loss), field<Values>("weight", &HeadLosses::weight)};

/// Options of all kinds of heads; each kind uses some of them.
struct HeadsOptions {
  std::string kind;
  int64_t width, classes;
  c10::Device device = c10::kCPU;
  std::optional<int64_t> layers;
  std::optional<Precision> precision;
  std::vector<ScoreLoss> losses;
  at::Tensor weight, bias, class_weights;
  std::vector<uint64_t> seeds;
};
template <>
inline constexpr auto fields<HeadsOptions> =
    std::tuple{field("kind", &HeadsOptions::kind),
               field("width", &HeadsOptions::width),
               field("classes", &HeadsOptions::classes),
               field("device", &HeadsOptions::device),
               optional_field("layers", &HeadsOptions::layers),
               optional_field("precision", &HeadsOptions::precision),
               optional_field("losses", &HeadsOptions::losses),
               optional_field("weight", &HeadsOptions::weight),
               optional_field("bias", &HeadsOptions::bias),
               optional_field("classWeights", &HeadsOptions::class_weights),
               optional_field("seeds", &HeadsOptions::seeds)};
inline void check_fields(const HeadsOptions& options) {
  if (options.kind == "linear_probe") return;
  if (options.kind != "class_embed" && options.kind != "mask2former")
    fail("INVALID_ARGUMENT", "unknown kind of heads '", options.kind,
         "': expected class_embed, mask2former or linear_probe");
  if (!options.precision) fail("INVALID_ARGUMENT", "precision must be bfloat16 or float32");
  if (options.weight.defined() ? !options.bias.defined() : options.seeds.empty())
    fail("INVALID_ARGUMENT", "expected weight and bias, or seeds");
}

struct MapOptions {
  int64_t width, height;
  Scoring scoring;
};
template <>
inline constexpr auto fields<MapOptions> =
    std::tuple{field("width", &MapOptions::width), field("height", &MapOptions::height),
               field("scoring", &MapOptions::scoring)};
inline void check_fields(const MapOptions& options) { check_size(options.height, options.width); }

namespace {

HeadBatch moved(HeadBatch batch, c10::Device device) {
  for (at::Tensor* tensor : {&batch.queries, &batch.masks, &batch.features, &batch.labels})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

/// float64 on the CPU.
at::Tensor read_back(const at::Tensor& values) { return values.to(at::kCPU, at::kDouble).contiguous(); }

/// Weight N×R×C and bias N×R, as given or drawn from the seeds.
std::pair<at::Tensor, at::Tensor> initial_layer(const HeadsOptions& options, int64_t outputs) {
  const at::Tensor& weight = options.weight;
  if (!weight.defined()) {
    const at::Tensor drawn = xavier_uniform(options.width, outputs, options.seeds);
    return {drawn, at::zeros({drawn.size(0), outputs})};
  }
  if (weight.dim() == 3 && (weight.size(1) != outputs || weight.size(2) != options.width))
    fail("HEAD_MISMATCH", "expected heads of ", outputs, " outputs for queries of width ", options.width,
         ", got ", weight.size(1), " and ", weight.size(2));
  return {weight, options.bias};
}

Head create_heads(const HeadsOptions& options) {
  const auto& [kind, width, classes, device, layers, precision, losses, weight, bias, class_weights, seeds] =
      options;
  if (kind == "linear_probe")
    return std::make_shared<LinearProbeHeads>(width, layers.value_or(1), classes, device, seeds,
                                              class_weights);
  const bool is_matched = kind == "mask2former";
  const auto [w, b] = initial_layer(options, classes + (is_matched ? 1 : 0));
  if (is_matched) return std::make_shared<Mask2FormerHeads>(w, b, device, *precision, class_weights);
  return std::make_shared<ClassEmbedHeads>(w, b, device, *precision, losses, class_weights);
}

Head head_of_model(const SegmentationModel& model, Precision precision) {
  return std::make_shared<ClassEmbedHeads>(model.class_embed_weight().unsqueeze(0),
                                           model.class_embed_bias().unsqueeze(0), model.device(), precision,
                                           std::vector{ScoreLoss::cross_entropy}, at::Tensor());
}

Head copy_heads(const TrainedHeads& heads, const ReplicaPlace& place) {
  return heads.copy_on(place.device, place.replica);
}

at::Tensor heads_forward(const TrainedHeads& heads, const NetworkOutputs& outputs) {
  const at::Tensor result = heads.forward(outputs);
  return heads.heads() == 1 ? result.squeeze(heads.reads().decoded ? 2 : 1) : result;
}

void heads_backward(LinearHeads& heads, const at::Tensor& queries, const at::Tensor& d_logits) {
  heads.backward(queries, d_logits.dim() == 3 ? d_logits.unsqueeze(2) : d_logits);
}

Values heads_losses(TrainedHeads& heads, const HeadBatch& batch) {
  return {read_back(heads.losses(moved(batch, heads.device())))};
}

HeadLosses heads_accumulate(TrainedHeads& heads, const HeadBatch& batch, double scale,
                            const std::optional<at::Tensor>& include) {
  const auto images = static_cast<int64_t>(batch.records.size());
  if (include &&
      (include->sizes() != at::IntArrayRef{images, heads.heads()} || include->scalar_type() != at::kFloat))
    fail("SHAPE", "include must be ", images, "×", heads.heads(), " float32, got ", include->sizes());
  const c10::Device device = heads.device();
  say_doing("Training heads");
  const HeadLosses result =
      heads.accumulate(moved(batch, device), include ? include->to(device) : at::Tensor(), scale);
  return {read_back(result.loss), read_back(result.weight)};
}

Values heads_step(TrainedHeads& heads, const std::vector<StepOptions>& options,
                  const std::vector<int64_t>& steps, const std::vector<bool>& active,
                  std::optional<bool> is_strict) {
  const auto count = static_cast<size_t>(heads.heads());
  if (options.size() != count || steps.size() != count || active.size() != count)
    fail("INVALID_ARGUMENT", "expected options, steps and active of ", count, " heads, got ", options.size(),
         ", ", steps.size(), " and ", active.size());
  for (const int64_t step : steps)
    if (step < 1) fail("INVALID_ARGUMENT", "steps must be at least 1, got ", step);
  if (is_strict.value_or(false)) heads.require_finite_gradients();
  const at::Tensor table = TrainedHeads::coefficients(options, steps, active).to(heads.device());
  return {heads.step(table, options[0]).to(at::kCPU)};
}

HeadCounts heads_evaluate(TrainedHeads& heads, const HeadBatch& batch) {
  const HeadCounts counts = heads.evaluate(moved(batch, heads.device()));
  return {read_back(counts.losses), read_back(counts.confusion)};
}

/// The tensors of HeadsState by name.
std::vector<NamedTensor> state_tensors(const TrainedHeads& heads) {
  std::vector<NamedTensor> tensors = {{"value", heads.value()},
                                      {"gradient", heads.gradient()},
                                      {"expAvg", heads.exp_avg()},
                                      {"expAvgSq", heads.exp_avg_sq()}};
  for (const auto& [name, buffer] : heads.buffers()) tensors.push_back({name, buffer});
  return tensors;
}

std::vector<NamedTensor> heads_state(const TrainedHeads& heads) {
  std::vector<NamedTensor> state = state_tensors(heads);
  for (NamedTensor& entry : state) entry.tensor = entry.tensor.to(at::kCPU, at::kFloat, false, true);
  return state;
}

/// Changes nothing unless every tensor fits.
void heads_restore(TrainedHeads& heads, std::map<std::string, std::optional<at::Tensor>> state) {
  const std::vector<NamedTensor> own = state_tensors(heads);
  for (const auto& [name, tensor] : own) {
    const auto& given = state[name];
    if (!given) fail("INVALID_ARGUMENT", name, " must be a tensor handle");
    if (given->sizes() != tensor.sizes())
      fail("HEAD_MISMATCH", name, " must be ", tensor.sizes(), ", got ", given->sizes());
  }
  for (const auto& [name, tensor] : own) tensor.copy_(*state[name]);
}

auto class_map_of(const TrainedHeads& head, const NetworkOutputs& outputs, const MapOptions& options) {
  const DenseScores scores = head.dense_scores(outputs, options.scoring);
  const auto watch = std::make_shared<FiniteWatch>(scores.marks());
  return object_of(Item{"map", class_map(scores, options.height, options.width)}, Item{"watch", watch});
}

at::Tensor scores_of(const TrainedHeads& head, const NetworkOutputs& outputs, const MapOptions& options) {
  return head.dense_scores(outputs, options.scoring).resized(options.height, options.width);
}

Values confusion(const at::Tensor& prediction, const at::Tensor& labels, int64_t classes) {
  return {confusion_matrix(prediction, labels, classes).to(at::kDouble)};
}

Values relative_errors_of(const at::Tensor& expected, const at::Tensor& actual) {
  return {relative_errors(expected, actual)};
}

const Methods heads_methods{
    call<&create_heads>("createHeads", "options"),
    call<&head_of_model>("headOfModel", "model", "precision"),
    job<Lane::model, &copy_heads>("copyHeads", "heads", "place"),
    job<Lane::model, &heads_forward>("headsForward", "heads", "outputs"),
    job<Lane::model, &heads_backward>("headsBackward", "heads", "queries", "dLogits"),
    job<Lane::model, &heads_losses>("headsLosses", "heads", "batch"),
    job<Lane::model, &heads_accumulate>("headsAccumulate", "heads", "batch", "scale", "include"),
    job<Lane::model, &heads_step>("headsStep", "heads", "options", "steps", "active", "isStrict"),
    job<Lane::model, &heads_evaluate>("headsEvaluate", "heads", "batch"),
    job<Lane::model, &heads_state>("headsState", "heads"),
    job<Lane::model, &heads_restore>("headsRestore", "heads", "state"),
    job<Lane::model, &class_map_of>("classMap", "head", "outputs", "options"),
    job<Lane::model, &scores_of>("headScores", "head", "outputs", "options"),
    job<Lane::model, &confusion>("confusion", "prediction", "labels", "classes"),
    job<Lane::model, &relative_errors_of>("relativeErrors", "expected", "actual"),
};

}  // namespace
}  // namespace dinov3_seg
