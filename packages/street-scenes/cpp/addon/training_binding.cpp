// NetworkTraining: a whole segmentor from nothing, and what it has in common with a detector's
// (detector_training_binding.cpp).
#include "addon/training_handle.h"
#include "bindings/plans.h"
#include "models/presets.h"
#include "training/set_loss.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<TrainingSettings> =
    std::tuple{field("architecture", &TrainingSettings::architecture),
               optional_field("backbone", &TrainingSettings::backbone),
               field("seed", &TrainingSettings::seed),
               field("device", &TrainingSettings::device),
               field("height", &TrainingSettings::height),
               field("width", &TrainingSettings::width),
               field("sceneHeight", &TrainingSettings::scene_height),
               field("sceneWidth", &TrainingSettings::scene_width),
               field("capacity", &TrainingSettings::capacity)};
inline void check_fields(const TrainingSettings& settings) {
  if (is_detector_preset(settings.architecture) && settings.backbone.empty())
    fail("INVALID_ARGUMENT", "backbone must be a string");
}

template <>
inline constexpr auto fields<TrainingStep> = std::tuple{
    field("learningRate", &TrainingStep::learning_rate), field("weightDecay", &TrainingStep::weight_decay),
    field("maxNorm", &TrainingStep::max_norm), field("ema", &TrainingStep::ema)};

struct LabelledScenes {
  at::Tensor images, labels, parts;
};
template <>
inline constexpr auto fields<LabelledScenes> =
    std::tuple{field("images", &LabelledScenes::images), field("labels", &LabelledScenes::labels),
               field("parts", &LabelledScenes::parts)};

struct SaveOptions : TrainedFiles {
  at::ScalarType dtype;
  std::map<std::string, std::string> metadata;
};
template <>
inline constexpr auto fields<SaveOptions> =
    std::tuple{optional_field("backbone", &SaveOptions::backbone), field("head", &SaveOptions::head),
               field<NetworkDtype>("dtype", &SaveOptions::dtype), field("metadata", &SaveOptions::metadata)};

template <>
inline constexpr auto fields<TrainingViews> =
    std::tuple{field("images", &TrainingViews::images),
               field("shares", [](const TrainingViews& views) { return views.targets.shares; }),
               field("counted", [](const TrainingViews& views) { return views.targets.counted; }),
               field("classes", [](const TrainingViews& views) { return views.targets.classes; })};

struct SetPredictions : SegmentTargets {
  at::Tensor logits, masks;
};
template <>
inline constexpr auto fields<SetPredictions> =
    std::tuple{field("shares", &SetPredictions::shares), field("counted", &SetPredictions::counted),
               field("classes", &SetPredictions::classes), field("logits", &SetPredictions::logits),
               field("masks", &SetPredictions::masks)};

namespace {

std::shared_ptr<NetworkTraining> create_training(const TrainingSettings& settings) {
  if (is_detector_preset(settings.architecture)) return std::make_shared<DetectorTraining>(settings);
  return std::make_shared<SegmentorTraining>(settings);
}

auto training_info(const NetworkTraining& training) {
  return object_of(Item{"parameters", training.parameters()}, Item{"steps", training.steps()},
                   Item{"scenes", training.scenes()});
}

void add_scenes(SegmentorTraining& training, const LabelledScenes& scenes) {
  training.segments().add(scenes.images, scenes.labels, scenes.parts);
}

auto predictions(SegmentorTraining& training, const at::Tensor& images) {
  const auto [logits, masks] = training.predictions(images);
  return object_of(Item{"logits", logits}, Item{"masks", masks});
}

void save(const NetworkTraining& training, const SaveOptions& options) {
  training.save(options, options.dtype, options.metadata);
}

TrainingViews segment_views(SegmentorTraining& training, const TrainingBatch& batch, const ViewSize& size) {
  return training.segments().views(batch.scenes, batch.views, size.height, size.width);
}

auto set_loss_of(const SetPredictions& given) {
  auto result = loss_gradients(given.logits, given.masks, [&](const at::Tensor& x, const at::Tensor& y) {
    const SetLoss loss = set_loss(x, y, given);
    return std::vector{loss.total, loss.classes, loss.mask, loss.dice};
  });
  return object_of(Item{"losses", Values{std::move(result.losses)}}, Item{"dLogits", result.first},
                   Item{"dMasks", result.second});
}

const Methods training_methods{
    job<Lane::model, &create_training>("createTraining", "options"),
    call<&training_info>("trainingInfo", "training"),
    job<Lane::model, &add_scenes>("trainingAdd", "training", "scenes"),
    job<Lane::model, &NetworkTraining::step>("trainingStep", "training", "batch", "options"),
    job<Lane::model, &NetworkTraining::take_losses>("trainingLosses", "training"),
    job<Lane::model, &SegmentorTraining::calibrate>("trainingCalibrate", "training", "batch"),
    job<Lane::model, &predictions>("trainingPredictions", "training", "images"),
    job<Lane::model, &save>("trainingSave", "training", "options"),
    job<Lane::model, &NetworkTraining::save_state>("trainingSaveState", "training", "path"),
    job<Lane::model, &NetworkTraining::restore_state>("trainingRestoreState", "training", "path"),
    job<Lane::model, &segment_views>("trainingViews", "training", "batch", "sizes"),
    job<Lane::model, &set_loss_of>("setLoss", "predictions"),
};

}  // namespace
}  // namespace dinov3_seg
