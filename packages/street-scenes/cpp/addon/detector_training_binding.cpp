// NetworkTraining of a detector's head.
#include "addon/training_handle.h"

namespace dinov3_seg {

struct BoxedScenes {
  at::Tensor images, boxes, classes, counts;
};
template <>
inline constexpr auto fields<BoxedScenes> =
    std::tuple{field("images", &BoxedScenes::images), field("boxes", &BoxedScenes::boxes),
               field("classes", &BoxedScenes::classes), field("counts", &BoxedScenes::counts)};

template <>
inline constexpr auto fields<BoxViews> =
    std::tuple{field("images", &BoxViews::images),
               field("boxes", [](const BoxViews& views) { return views.targets.boxes; }),
               field("classes", [](const BoxViews& views) { return views.targets.classes; })};

struct BoxPredictions : BoxTargets {
  at::Tensor logits, predicted;
  int64_t repeats;
};
template <>
inline constexpr auto fields<BoxPredictions> =
    std::tuple{field("logits", &BoxPredictions::logits),  field("boxes", &BoxPredictions::predicted),
               field("targets", &BoxPredictions::boxes),  field("classes", &BoxPredictions::classes),
               field("height", &BoxPredictions::height),  field("width", &BoxPredictions::width),
               field("repeats", &BoxPredictions::repeats)};

namespace {

void add_boxes(DetectorTraining& training, const BoxedScenes& scenes) {
  training.boxes().add(scenes.images, scenes.boxes, scenes.classes, scenes.counts);
}

auto detections(DetectorTraining& training, const at::Tensor& images) {
  const auto [logits, boxes] = training.predictions(images);
  return object_of(Item{"logits", logits}, Item{"boxes", boxes});
}

BoxViews box_views(DetectorTraining& training, const TrainingBatch& batch, const ViewSize& size) {
  return training.boxes().views(batch.scenes, batch.views, size.height, size.width);
}

auto box_loss_of(const BoxPredictions& given) {
  auto result = loss_gradients(given.logits, given.predicted, [&](const at::Tensor& x, const at::Tensor& y) {
    const BoxLoss loss = box_loss(x, y, given, given.repeats);
    return std::vector{loss.total, loss.classes, loss.l1, loss.giou};
  });
  return object_of(Item{"losses", Values{std::move(result.losses)}}, Item{"dLogits", result.first},
                   Item{"dBoxes", result.second});
}

const Methods detector_training_methods{
    job<Lane::model, &add_boxes>("trainingAddBoxes", "training", "scenes"),
    job<Lane::model, &detections>("trainingDetections", "training", "images"),
    job<Lane::model, &box_views>("trainingBoxViews", "training", "batch", "sizes"),
    job<Lane::model, &box_loss_of>("boxLoss", "predictions"),
};

}  // namespace
}  // namespace dinov3_seg
