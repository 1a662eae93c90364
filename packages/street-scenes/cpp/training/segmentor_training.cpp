#include "training/segmentor_training.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "core/safetensors.h"
#include "models/builder.h"
#include "models/module_tree.h"
#include "models/presets.h"
#include "models/segmentor_plan.h"
#include "training/set_loss.h"

namespace dinov3_seg {
namespace {

/// In the order of a network that is built: the head's first key, the backbone, the rest of the head.
std::vector<TrainedKey> keys_of(const SegmentorDims& dims) {
  std::vector<TrainedKey> keys;
  const auto head = head_keys(dims);
  keys.push_back({head.front()});
  for (const KeyShape& key : backbone_keys(dims)) keys.push_back({key, backbone_prefix});
  for (size_t i = 1; i < head.size(); ++i) keys.push_back({head[i]});
  return keys;
}

TrainingSettings checked_for_masks(const TrainingSettings& settings) {
  for (const int64_t size : {settings.height, settings.width})
    if (size < 32 || size % 32 != 0)
      fail("SHAPE", "expected views of a height and width that are multiples of 32, got ", settings.height,
           "×", settings.width);
  return settings;
}

}  // namespace

SegmentorTraining::SegmentorTraining(const TrainingSettings& settings)
    : NetworkTraining(checked_for_masks(settings), keys_of(preset(settings.architecture)),
                      {"total", "classes", "mask", "dice"}),
      scenes_(settings.capacity, settings.scene_height, settings.scene_width,
              preset(settings.architecture).classes - 1, settings.device) {
  module_ = build_module(training_library(), "Segmentor", segmentor_constants(preset(settings.architecture)),
                         weights_.tensors());
  weights_.train(module_);
}

std::vector<at::Tensor> SegmentorTraining::losses(const TrainingBatch& batch) {
  TrainingViews views;
  {
    const c10::NoGradGuard no_grad;
    views = scenes_.views(batch.scenes, batch.views, settings_.height, settings_.width);
  }
  const auto outputs = predict(views.images);
  const SetLoss loss = set_loss(outputs[0], outputs[1], views.targets);
  return {loss.total, loss.classes, loss.mask, loss.dice};
}

void SegmentorTraining::calibrate(const TrainingBatch& batch) {
  const c10::NoGradGuard no_grad;
  predict_averaged(scenes_.views(batch.scenes, batch.views, settings_.height, settings_.width).images, true);
}

std::pair<at::Tensor, at::Tensor> SegmentorTraining::predictions(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) % 32 != 0 || images.size(3) % 32 != 0 ||
      images.numel() == 0 || images.scalar_type() != at::kFloat)
    fail("SHAPE", "expected float32 images B×3×H×W with H and W multiples of 32, got ", images.sizes());
  const auto outputs = predict_averaged(images.to(settings_.device), false);
  return {outputs[0], outputs[1]};
}

void SegmentorTraining::save(const TrainedFiles& files, at::ScalarType dtype,
                             std::map<std::string, std::string> metadata) const {
  if (files.backbone.empty())
    fail("INVALID_ARGUMENT", "expected a file for the backbone, which was trained too");
  const auto texts = described(std::move(metadata));
  write_safetensors(files.backbone, weights_.file_of(backbone_prefix, dtype), texts);
  write_safetensors(files.head, weights_.file_of("", dtype), texts);
}

}  // namespace dinov3_seg
