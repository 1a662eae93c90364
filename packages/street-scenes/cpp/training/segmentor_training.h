// Training a whole segmentor from nothing.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "training/network_training.h"
#include "training/training_scenes.h"

namespace dinov3_seg {

/// Batch norms learn from the batch. Views have sides that are multiples of 32.
class SegmentorTraining : public NetworkTraining {
 public:
  /// Throws INVALID_ARGUMENT, SHAPE (sizes that the network does not take).
  explicit SegmentorTraining(const TrainingSettings& settings);

  TrainingScenes& segments() { return scenes_; }
  int64_t scenes() const override { return scenes_.size(); }

  /// Moves the stored statistics of batch norms a tenth of the way to those of this batch under the averaged
  /// weights. Nothing that is trained with depends on them.
  void calibrate(const TrainingBatch& batch);

  /// Outputs B×L×Q×K and B×L×Q×h×w of the averaged weights and the stored statistics for normalised images.
  std::pair<at::Tensor, at::Tensor> predictions(const at::Tensor& images);

  void save(const TrainedFiles& files, at::ScalarType dtype,
            std::map<std::string, std::string> metadata) const override;

 private:
  std::vector<at::Tensor> losses(const TrainingBatch& batch) override;

  TrainingScenes scenes_;
};

}  // namespace dinov3_seg
