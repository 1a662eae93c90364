// Training a whole segmentor from nothing, through libtorch's autograd and the network's own TorchScript.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/plan.h"
#include "training/set_loss.h"
#include "training/training_scenes.h"

namespace dinov3_seg {

struct TrainingSettings {
  std::string architecture;  // a name of presets.h
  uint64_t seed = 0;         // of the initial weights
  c10::Device device = c10::kCPU;
  int64_t height = 0, width = 0;              // of views; multiples of 32
  int64_t scene_height = 0, scene_width = 0;  // of scenes
  int64_t capacity = 0;                       // scenes
};

struct TrainingStep {
  double learning_rate = 0;
  double weight_decay = 0;  // of linears' and convolutions' weights
  double max_norm = 0;      // global gradient norm to clip to; 0: no clipping
  double ema = 0;           // what the averaged weights keep of themselves, 0…1
};

/// Means of the steps since they were asked for last.
struct TrainingLosses {
  double total = 0, classes = 0, mask = 0, dice = 0, gradient_norm = 0;
};

/// Which scenes, and what is seen of them: as TrainingScenes::views takes them.
struct TrainingBatch {
  at::Tensor scenes, views;
};

/// Weights, gradients and AdamW's moments each lie in one piece, and the module's parameters are views of it:
/// a small network's step is as long as its number of kernel launches. float32; products in TF32 on CUDA.
/// Batch norms learn from the batch. What is written are averages of the weights over the steps. Not
/// thread-safe: one job at a time. On the CPU the same calls give the same bits.
class NetworkTraining {
 public:
  /// Throws INVALID_ARGUMENT, SHAPE (sizes that the network does not take).
  explicit NetworkTraining(const TrainingSettings& settings);

  TrainingScenes& scenes() { return scenes_; }
  c10::Device device() const { return settings_.device; }
  int64_t steps() const { return steps_; }
  int64_t parameters() const;

  /// A step of AdamW (betas 0.9 and 0.999, epsilon 1e-8) on the set loss of a batch. Waits for the device
  /// once, in the middle. Throws SHAPE, INVALID_ARGUMENT (as TrainingScenes::views; where outputs are not
  /// finite any more).
  void step(const TrainingBatch& batch, const TrainingStep& options);
  TrainingLosses take_losses();

  /// Moves the stored statistics of batch norms a tenth of the way to those of this batch under the averaged
  /// weights. Nothing that is trained with depends on them.
  void calibrate(const TrainingBatch& batch);

  /// Outputs B×L×Q×K and B×L×Q×h×w of the averaged weights and the stored statistics for normalised images.
  std::pair<at::Tensor, at::Tensor> predictions(const at::Tensor& images);

  /// The averaged weights and stored statistics as the two files of a network, keys as released: float32, or
  /// bfloat16 for all of two dimensions and more.
  void save(const std::string& backbone, const std::string& head, at::ScalarType dtype,
            std::map<std::string, std::string> metadata) const;

  /// All that going on needs besides the scenes. Throws as write_safetensors does.
  void save_state(const std::string& path) const;
  /// Throws what read_checkpoint throws, and CHECKPOINT_KEYS for the state of another network.
  void restore_state(const std::string& path);

 private:
  /// A key of one of the files, and where its values are.
  struct Slot {
    KeyShape key;
    bool backbone;
    int64_t place;      // of a parameter among the flat values
    at::Tensor buffer;  // of a buffer
  };
  void make_slots();
  void build();
  at::Tensor part_of(const at::Tensor& flat, const Slot& slot) const;
  void update(const std::vector<at::Tensor>& gradients, const TrainingStep& options);
  std::vector<NamedTensor> state() const;
  std::pair<at::Tensor, at::Tensor> run(const at::Tensor& images);
  std::pair<at::Tensor, at::Tensor> run_average(const at::Tensor& images, bool train);

  TrainingSettings settings_;
  std::vector<Slot> slots_;
  at::Tensor value_, gradient_, exp_avg_, exp_avg_sq_, average_;
  at::Tensor decay_;  // 1 where weights decay, else 0
  torch::jit::Module module_;
  std::vector<at::Tensor> parameters_, gradient_views_;
  at::Tensor sums_;  // of total, classes, mask, dice, gradient norm
  int64_t steps_ = 0, summed_ = 0;
  TrainingScenes scenes_;
};

}  // namespace dinov3_seg
