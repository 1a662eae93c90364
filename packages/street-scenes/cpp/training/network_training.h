// Training a network through libtorch's autograd and the network's own TorchScript: what segmentors and
// detectors have in common.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/torchscript_parser.h"
#include "training/trained_weights.h"

namespace dinov3_seg {

struct TrainingSettings {
  std::string architecture;  // a name of presets.h
  std::string backbone{};    // the file of a detector's, which stays as it is
  uint64_t seed = 0;         // of the initial weights
  c10::Device device = c10::kCPU;
  int64_t height = 0, width = 0;              // of views
  int64_t scene_height = 0, scene_width = 0;  // of scenes
  int64_t capacity = 0;                       // scenes
};

/// Which scenes, and what is seen of them: as SceneImages::look takes them.
struct TrainingBatch {
  at::Tensor scenes, views;
};

/// The files that a trained network becomes; the backbone's is a segmentor's alone.
struct TrainedFiles {
  std::string backbone{}, head;
};

/// The networks' sources with those of training in place of their namesakes.
ScriptLibrary training_library();

/// float32; products in TF32 on CUDA. Not thread-safe: one job at a time. On the CPU the same calls give the
/// same bits.
class NetworkTraining {
 public:
  virtual ~NetworkTraining() = default;

  int64_t steps() const { return weights_.steps(); }
  int64_t parameters() const { return weights_.parameters(); }
  virtual int64_t scenes() const = 0;

  /// A step on the loss of a batch. Waits for the device once, in the middle. Throws SHAPE, INVALID_ARGUMENT
  /// (as SceneImages::look; where outputs are not finite any more).
  void step(const TrainingBatch& batch, const TrainingStep& options);
  /// Means of the steps since they were asked for last, by name.
  std::vector<std::pair<std::string, double>> take_losses();

  /// The averaged weights and stored statistics, keys as released: float32, or bfloat16 for all of two
  /// dimensions and more.
  virtual void save(const TrainedFiles& files, at::ScalarType dtype,
                    std::map<std::string, std::string> metadata) const = 0;

  /// All that going on needs besides the scenes: as TrainedWeights.
  void save_state(const std::string& path) const { weights_.save_state(path, settings_.architecture); }
  void restore_state(const std::string& path) { weights_.restore_state(path, settings_.architecture); }

 protected:
  /// `losses`: names of what losses() gives.
  NetworkTraining(const TrainingSettings& settings, const std::vector<TrainedKey>& keys,
                  std::vector<std::string> losses);

  /// Of a batch, the total first.
  virtual std::vector<at::Tensor> losses(const TrainingBatch& batch) = 0;

  /// What the module's predictions() gives of images.
  std::vector<at::Tensor> predict(const at::Tensor& images);
  /// The same under the averaged weights, with the batch's statistics or the stored ones.
  std::vector<at::Tensor> predict_averaged(const at::Tensor& images, bool batch_statistics);
  /// What is known of the training, added to a file's metadata.
  std::map<std::string, std::string> described(std::map<std::string, std::string> metadata) const;

  TrainingSettings settings_;
  TrainedWeights weights_;
  torch::jit::Module module_;

 private:
  std::vector<std::string> names_;
  at::Tensor sums_;  // of losses and gradient norm
  int64_t summed_ = 0;
};

}  // namespace dinov3_seg
