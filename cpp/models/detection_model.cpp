#include "models/detection_model.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"
#include "core/finite_watch.h"
#include "models/archive.h"
#include "models/cast.h"
#include "models/detector_plan.h"
#include "models/network_input.h"
#include "models/network_outputs.h"
#include "models/product_inputs.h"
#include "models/quantized_blocks.h"
#include "models/shared_backbone.h"

namespace dinov3_seg {
namespace {

/// `segmentor`: whose tensors the shared ones are; null where there are none.
torch::jit::Module load_detector(const std::string& path, const ModelPlacement& placement,
                                 const SharedTensors& shared, const SegmentationModel* segmentor) {
  torch::jit::Module module = load_archive(path, placement.device, shared, resident_until_cast(placement),
                                           placement.resident_blocks.has_value(), placement.trust_code);
  // A segmentor gives masks, a backbone alone the layers that it taps.
  if (module.find_method("decode") || module.find_method("layer_features"))
    fail("MODEL_FORMAT", path, " contains a ", module.find_method("decode") ? "segmentor" : "backbone alone",
         ": expected a detector made by convert with task detection");
  if (placement.dtype != "stored") cast_detector(module, cast_target(placement.dtype));
  if (segmentor) share_weight_scales(segmentor->module(), module);
  return module;
}

}  // namespace

ModelPlacement sharing(ModelPlacement placement, const NetworkModule& segmentor) {
  placement.resident_blocks.reset();
  placement.stream = segmentor.stream();
  const bool own = placement.precision == NetworkPrecision::fp8;
  const bool quantized = segmentor.placement().precision == NetworkPrecision::fp8;
  if (own && !quantized)
    fail("BACKBONE_MISMATCH", "a detector in precision fp8 cannot share the backbone of ", segmentor.path(),
         ", which is in another precision: load both in fp8, or the detector without sharing");
  if (quantized) placement.precision = NetworkPrecision::fp8;
  return placement;
}

DetectionModel::DetectionModel(const std::string& path, const ModelPlacement& placement)
    : DetectionModel(path, placement, SharedTensors(), nullptr) {}

DetectionModel::DetectionModel(const std::string& path, const ModelPlacement& placement,
                               const SegmentationModel& segmentor)
    : DetectionModel(path, sharing(placement, segmentor), shared_backbone(path, placement, segmentor),
                     &segmentor) {}

DetectionModel::DetectionModel(const std::string& path, const ModelPlacement& placement,
                               const SharedTensors& shared, const SegmentationModel* segmentor)
    // In braces: the identity first, which is refused at once where the file is none.
    : DetectionModel{origin_of(path), load_detector(path, placement, shared, segmentor), placement,
                     bytes_of(shared)} {}

DetectionModel::DetectionModel(NetworkOrigin origin, torch::jit::Module module,
                               const ModelPlacement& placement, uint64_t shared_bytes)
    : NetworkModule(std::move(origin), std::move(module), placement, {"forward", "features"},
                    {"forward", "features"}, "a detector"),
      shared_bytes_(shared_bytes) {}

Predictions DetectionModel::forward(const at::Tensor& images) {
  check_detector_input(images.sizes(), queries());
  const auto result = run("forward", images, true);
  if (result.size() < 2)
    fail("MODEL_OUTPUT", path(),
         ": its method forward gives one tensor, expected logits and boxes. The file is no detector: convert "
         "one, or mend the method where it was made");
  check_detections(path(), result[0], result[1]);
  return {result.at(0), result.at(1), finite_marks(result)};
}

at::Tensor DetectionModel::features(const at::Tensor& images) {
  check_detector_input(images.sizes(), 0);
  return run("features", images, false).at(0);
}

std::vector<PartTime> DetectionModel::times(const at::Tensor& images, int64_t repeat) {
  check_detector_input(images.sizes(), queries());
  return in_run("parts", images, [&](const at::Tensor& input) {
    const Tf32Guard mode = float32_mode();
    // A part's products are recorded as in a pass, and nobody asks.
    const Float16Range range(device());
    return part_times(modules().float16 ? *modules().float16 : running("forward"), input, runner(), repeat);
  });
}

std::vector<Detections> detect(DetectionModel& model, const std::vector<at::Tensor>& pixels,
                               const DetectOptions& options) {
  const auto [height, width, top, threshold] = options;
  std::vector<at::Tensor> inputs;
  for (const at::Tensor& each : pixels)
    inputs.push_back(network_input(each, model.device(), height, width, model.normalization()));
  const Predictions found = model.forward(at::stack(inputs));
  const FiniteWatch watch(found.marks);
  const Detections best = best_detections(found.logits, found.boxes, height, width, top);
  const at::Tensor scores = best.scores.cpu();
  watch.require();
  // Of most images a few are wanted of very many: no more of the others' come to the host than of the image
  // with the most.
  const at::Tensor counts = (scores >= threshold).sum(1);
  const auto most = counts.max().item<int64_t>();
  const at::Tensor labels = best.labels.narrow(1, 0, most).cpu(), boxes = best.boxes.narrow(1, 0, most).cpu();
  std::vector<Detections> results;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    const auto count = counts[image].item<int64_t>();
    const auto of = [&](const at::Tensor& all) { return all[image].narrow(0, 0, count); };
    Detections own{of(scores), of(labels), of(boxes)};
    const double down = static_cast<double>(pixels[i].size(0)) / static_cast<double>(height);
    const double across = static_cast<double>(pixels[i].size(1)) / static_cast<double>(width);
    own.boxes.slice(1, 0, 4, 2).mul_(across);
    own.boxes.slice(1, 1, 4, 2).mul_(down);
    results.push_back(std::move(own));
  }
  return results;
}

}  // namespace dinov3_seg
