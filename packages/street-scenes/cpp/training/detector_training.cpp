#include "training/detector_training.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "models/builder.h"
#include "models/detection_model.h"
#include "models/module_tree.h"
#include "models/presets.h"
#include "training/box_loss.h"

namespace dinov3_seg {
namespace {

/// Queries of the other half that learn a box. (Jia et al. take 6.)
constexpr int64_t repeats = 4;

std::vector<TrainedKey> keys_of(const DetectorDims& dims) {
  std::vector<TrainedKey> keys;
  for (const KeyShape& key : detector_head_keys(dims)) keys.push_back({key});
  return keys;
}

TrainingSettings checked_for_boxes(const TrainingSettings& settings) {
  const DetectorDims dims = detector_preset(settings.architecture);
  check_detector_input({1, 3, settings.height, settings.width}, dims.stored_queries);
  return settings;
}

/// The backbone's tensors under their names in the module, float32 on the device.
std::vector<NamedTensor> backbone_tensors(const TrainingSettings& settings) {
  const auto keys = backbone_keys(detector_preset(settings.architecture));
  const Checkpoint file = read_checkpoint(settings.backbone);
  check_keys("backbone", settings.architecture, keys, shapes_of(file.tensors));
  std::map<std::string, at::Tensor> by_name;
  for (const auto& [name, tensor] : file.tensors) by_name.emplace(name, tensor);
  std::vector<NamedTensor> tensors;
  for (const KeyShape& key : keys)
    tensors.push_back({detector_backbone_prefix + key.name,
                       apply_dtype(key, by_name.at(key.name), at::kFloat).to(settings.device, false, true)});
  return tensors;
}

/// The same boxes, all of class 0: that there is something.
BoxTargets objects_of(BoxTargets targets) {
  for (auto& classes : targets.classes) std::fill(classes.begin(), classes.end(), 0);
  return targets;
}

}  // namespace

DetectorTraining::DetectorTraining(const TrainingSettings& settings)
    : NetworkTraining(checked_for_boxes(settings), keys_of(detector_preset(settings.architecture)),
                      {"total", "classes", "l1", "giou"}),
      scenes_(settings.capacity, settings.scene_height, settings.scene_width,
              detector_preset(settings.architecture).classes, settings.device) {
  std::vector<NamedTensor> tensors = weights_.tensors();
  for (NamedTensor& tensor : backbone_tensors(settings)) tensors.push_back(std::move(tensor));
  module_ = build_module(training_library(), "Detector",
                         detector_constants(detector_preset(settings.architecture)), tensors);
  weights_.train(module_);
}

std::vector<at::Tensor> DetectorTraining::losses(const TrainingBatch& batch) {
  BoxViews views;
  {
    const c10::NoGradGuard no_grad;
    views = scenes_.views(batch.scenes, batch.views, settings_.height, settings_.width);
  }
  const auto outputs = predict(views.images);
  const BoxLoss proposals = box_loss(outputs[0], outputs[1], objects_of(views.targets));
  const BoxLoss found = box_loss(outputs[2], outputs[3], views.targets);
  const BoxLoss repeated = box_loss(outputs[4], outputs[5], views.targets, repeats);
  return {proposals.total + found.total + repeated.total, found.classes, found.l1, found.giou};
}

std::pair<at::Tensor, at::Tensor> DetectorTraining::predictions(const at::Tensor& images) {
  check_detector_input(images.sizes(), detector_preset(settings_.architecture).stored_queries);
  if (images.scalar_type() != at::kFloat)
    fail("SHAPE", "expected float32 images, got ", images.scalar_type());
  const auto outputs = predict_averaged(images.to(settings_.device), false);
  return {outputs[2], outputs[3]};
}

void DetectorTraining::save(const TrainedFiles& files, at::ScalarType dtype,
                            std::map<std::string, std::string> metadata) const {
  if (!files.backbone.empty())
    fail("INVALID_ARGUMENT",
         "a detector's backbone is not trained and is not written; give a head's file alone");
  write_safetensors(files.head, weights_.file_of("", dtype), described(std::move(metadata)));
}

}  // namespace dinov3_seg
