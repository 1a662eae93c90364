// A detector as a TorchScript module.
#pragma once

#include <string>
#include <vector>

#include "core/detections.h"
#include "models/network_module.h"
#include "models/part_times.h"
#include "models/segmentation_model.h"
#include "models/shared_tensors.h"

namespace dinov3_seg {

/// Class logits B×Q×K (before the sigmoid) and boxes B×Q×4 (centre x, centre y, width, height in pixels of
/// the input), float32, on the model's device.
struct Predictions {
  at::Tensor logits;
  at::Tensor boxes;
  at::Tensor marks;  // finite_marks() of both
};

/// A loaded detector. Not thread-safe: one job at a time, also of a segmentor that it shares weights with.
class DetectionModel : public NetworkModule {
 public:
  /// Loads any TorchScript file with methods forward(images) → (pred_logits, pred_boxes) and
  /// features(images). Throws FILE_NOT_FOUND, MODEL_FORMAT (also for a segmentor), DEVICE, OUT_OF_MEMORY.
  DetectionModel(const std::string& path, const ModelPlacement& placement);

  /// The same, with the segmentor's backbone in place of the file's, which is not read (shared_backbone.h).
  /// Throws BACKBONE_MISMATCH too.
  DetectionModel(const std::string& path, const ModelPlacement& placement,
                 const SegmentationModel& segmentor);

  /// Takes a network that is on the placement's device in its dtype already, as a SegmentationModel does.
  /// `shared_bytes`: of its weights that another one holds as well.
  DetectionModel(NetworkOrigin origin, torch::jit::Module module, const ModelPlacement& placement,
                 uint64_t shared_bytes);

  /// A detector that a copy of the first one's module makes (replica.h).
  DetectionModel(const DetectionModel& first, NetworkModules modules, const ModelPlacement& placement)
      : NetworkModule(first, std::move(modules), placement), shared_bytes_(first.shared_bytes_) {}

  /// Throws SHAPE as check_detector_input() does.
  Predictions forward(const at::Tensor& images);
  /// What the head takes of the same images, B×(8·C)×H/16×W/16 float32: the backbone's four tapped layers of
  /// the whole image at a window's size, then of 3×3 windows. Throws SHAPE.
  at::Tensor features(const at::Tensor& images);

  /// See part_times.h. Images as in forward().
  std::vector<PartTime> times(const at::Tensor& images, int64_t repeat);

  /// Width of the backbone's tokens, queries of inference, classes: each 0 where the file does not tell (it
  /// was made elsewhere).
  int64_t width() const { return parameter_size("patch_embed.proj.weight", 0); }
  int64_t queries() const { return parameter_size("query_embed.weight", 0) / 2; }
  int64_t classes() const { return parameter_size("class_embed.0.weight", 0); }
  /// Bytes of its weights that are a segmentor's.
  uint64_t shared_bytes() const { return shared_bytes_; }

 private:
  DetectionModel(const std::string& path, const ModelPlacement& placement, const SharedTensors& shared,
                 const SegmentationModel* segmentor);

  uint64_t shared_bytes_ = 0;
};

/// The placement of a detector whose backbone is the segmentor's, with its stream, and in fp8 where that is.
/// Throws BACKBONE_MISMATCH for a detector in fp8 beside a segmentor that is not.
ModelPlacement sharing(ModelPlacement placement, const NetworkModule& segmentor);

/// How images are seen, and which detections of each are wanted.
struct DetectOptions {
  int64_t height, width, top;
  double threshold;  // minimum score
};

/// The best detections of images, pixels H×W×1, 3 or 4 uint8 each, that the network sees at height × width in
/// one pass: of each image `top` of them at most, best first, boxes in its own pixels, on the CPU. Throws as
/// forward() and best_detections() do, and NotFinite.
std::vector<Detections> detect(DetectionModel& model, const std::vector<at::Tensor>& pixels,
                               const DetectOptions& options);

}  // namespace dinov3_seg
