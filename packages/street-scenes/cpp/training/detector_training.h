// Training a detector's head on a backbone that stays as it is.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/named_tensor.h"
#include "training/box_scenes.h"
#include "training/network_training.h"

namespace dinov3_seg {

/// Proposals learn where anything is, the decoder's layers what is where: with the queries that inference
/// uses, each box one, and with the other half, each box several (Jia et al. 2023: they share all weights,
/// and the head learns faster by them). Views have sides that are multiples of 16 from 80.
class DetectorTraining : public NetworkTraining {
 public:
  /// Reads the backbone. Throws INVALID_ARGUMENT, SHAPE (sizes that the network does not take), what
  /// read_checkpoint throws, CHECKPOINT_KEYS (another network's backbone).
  explicit DetectorTraining(const TrainingSettings& settings);

  BoxScenes& boxes() { return scenes_; }
  int64_t scenes() const override { return scenes_.size(); }

  /// Class logits B×L×Q×K and boxes B×L×Q×4 of the decoder's layers, of the averaged weights and the queries
  /// that inference uses, for normalised images.
  std::pair<at::Tensor, at::Tensor> predictions(const at::Tensor& images);

  void save(const TrainedFiles& files, at::ScalarType dtype,
            std::map<std::string, std::string> metadata) const override;

 private:
  std::vector<at::Tensor> losses(const TrainingBatch& batch) override;

  BoxScenes scenes_;
};

}  // namespace dinov3_seg
