// Detectors: plans, conversion, loading, detection.
#include <ATen/ATen.h>

#include "bindings/images.h"
#include "bindings/placement.h"
#include "bindings/plans.h"
#include "bindings/times.h"
#include "core/page_allocator.h"
#include "models/detection_model.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<Detections> =
    std::tuple{field("scores", &Detections::scores), field("labels", &Detections::labels),
               field("boxes", &Detections::boxes)};

inline void check_best(int64_t height, int64_t width, int64_t top) {
  if (height < 1 || width < 1 || top < 1)
    fail("INVALID_ARGUMENT", "width, height and top must be at least 1");
}

struct BestOptions {
  int64_t height, width, top;
};
template <>
inline constexpr auto fields<BestOptions> =
    std::tuple{field("height", &BestOptions::height), field("width", &BestOptions::width),
               field("top", &BestOptions::top)};
inline void check_fields(const BestOptions& options) {
  check_best(options.height, options.width, options.top);
}

template <>
inline constexpr auto fields<DetectOptions> =
    std::tuple{field("height", &DetectOptions::height), field("width", &DetectOptions::width),
               field("top", &DetectOptions::top), field("threshold", &DetectOptions::threshold)};
inline void check_fields(const DetectOptions& options) {
  check_best(options.height, options.width, options.top);
}

/// An image's detections as arrays.
struct FoundValues {
  Values scores, labels, boxes;
};
template <>
inline constexpr auto fields<FoundValues> =
    std::tuple{field("scores", &FoundValues::scores), field("labels", &FoundValues::labels),
               field("boxes", &FoundValues::boxes)};

namespace {

auto plan_detector(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  return plan_of(checked_detector_dims(backbone, head));
}

std::shared_ptr<DetectionModel> load_detector(const std::string& path, const DetectorPlacement& placement) {
  return placement.share_with ? std::make_shared<DetectionModel>(path, placement, *placement.share_with)
                              : std::make_shared<DetectionModel>(path, placement);
}

/// `segmentor`: whose backbone it shares, and that one's copy in the same place.
std::shared_ptr<DetectionModel> copy_detector(
    const DetectionModel& detector, const ReplicaPlace& place,
    const std::vector<std::shared_ptr<SegmentationModel>>& segmentor) {
  if (segmentor.empty()) return replica_of(detector, place, nullptr, nullptr);
  if (segmentor.size() != 2) fail("INVALID_ARGUMENT", "segmentor must be a model and its copy");
  return replica_of(detector, place, segmentor[0].get(), segmentor[1].get());
}

auto detector_info(const DetectionModel& model) {
  return std::tuple_cat(
      network_info(model),
      object_of(Item{"width", model.width()}, Item{"queries", model.queries()},
                Item{"classes", model.classes()}, Item{"sharedBytes", model.shared_bytes()}));
}

void use_detector_float16(DetectionModel& model) { model.use_float16(); }

auto detector_forward(DetectionModel& model, const at::Tensor& images) {
  const Predictions found = model.forward(images);
  return object_of(Item{"predLogits", found.logits}, Item{"predBoxes", found.boxes},
                   Item{"watch", std::make_shared<FiniteWatch>(found.marks)});
}

Detections best_of(const at::Tensor& logits, const at::Tensor& boxes, const BestOptions& options) {
  return best_detections(logits, boxes, options.height, options.width, options.top);
}

std::vector<FoundValues> detect_images(DetectionModel& model, const Images& images,
                                       const DetectOptions& options) {
  const auto run = [&] { return detect(model, images.pixels, options); };
  std::vector<FoundValues> found;
  for (const Detections& best : naming(model, images.names, run))
    found.push_back({{copy_page_allocated(best.scores, at::kFloat)},
                     {copy_page_allocated(best.labels, at::kInt)},
                     {copy_page_allocated(best.boxes, at::kFloat)}});
  return found;
}

auto detector_part_times(DetectionModel& model, const at::Tensor& images, const TimesOptions& options) {
  return named_times(model.times(images, options.repeat));
}

const Methods detector_methods{
    call<&plan_detector>("planDetector", "backbone", "head"),
    job<Lane::model, &load_detector>("loadDetector", "path", "options"),
    job<Lane::model, &copy_detector>("copyDetector", "detector", "place", "segmentor"),
    call<&detector_info>("detectorInfo", "detector"),
    job<Lane::model, &use_detector_float16>("useDetectorFloat16", "detector"),
    job<Lane::model, &detector_forward>("detectorForward", "detector", "images"),
    job<Lane::model, &DetectionModel::features>("detectorFeatures", "detector", "images"),
    job<Lane::model, &best_of>("bestDetections", "predLogits", "predBoxes", "options"),
    job<Lane::model, &detect_images>("detect", "detector", "images", "options"),
    job<Lane::model, &detector_part_times>("detectorPartTimes", "detector", "images", "options"),
};

}  // namespace
}  // namespace dinov3_seg
