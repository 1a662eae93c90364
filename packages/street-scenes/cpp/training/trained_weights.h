// Weights that are trained, with their optimiser.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/key_shapes.h"

namespace dinov3_seg {

struct TrainingStep {
  double learning_rate = 0;
  double weight_decay = 0;  // of linears' and convolutions' weights
  double max_norm = 0;      // global gradient norm to clip to; 0: no clipping
  double ema = 0;           // what the averaged weights keep of themselves, 0…1
};

/// A key of a file, and what stands before it in the module.
struct TrainedKey {
  KeyShape key;
  std::string prefix{};
};

/// Weights, gradients and AdamW's moments each lie in one piece, and the module's parameters are views of it:
/// a small network's step is as long as its number of kernel launches. float32. What is written are averages
/// of the weights over the steps. Not thread-safe: one job at a time.
class TrainedWeights {
 public:
  /// With values of training_init.h. A key that repeats another has no values of its own.
  TrainedWeights(const std::vector<TrainedKey>& keys, uint64_t seed, c10::Device device);

  /// Without repeats, under the module's names, in the order of the keys.
  std::vector<NamedTensor> tensors() const;
  /// Makes parameters of the module's tensors of those names. Before the first step.
  void train(const torch::jit::Module& module);

  int64_t parameters() const;
  int64_t steps() const { return steps_; }

  /// A step of AdamW (betas 0.9 and 0.999, epsilon 1e-8); gives the norm of the loss's gradient.
  at::Tensor step(const at::Tensor& loss, const TrainingStep& options);

  /// What `run` gives while the averages are the weights, without gradients.
  std::vector<at::Tensor> with_averages(const std::function<std::vector<at::Tensor>()>& run);

  /// Averages and stored statistics of the keys of one prefix, repeats included, as their file has them:
  /// float32, or `dtype` for all of two dimensions and more.
  std::vector<NamedTensor> file_of(const std::string& prefix, at::ScalarType dtype) const;

  /// All that going on needs, with a name for what is trained. Throws as write_safetensors does.
  void save_state(const std::string& path, const std::string& architecture) const;
  /// Throws what read_checkpoint throws, and CHECKPOINT_KEYS for the state of another network.
  void restore_state(const std::string& path, const std::string& architecture);

 private:
  struct Slot {
    KeyShape key;
    std::string prefix;
    int64_t place;      // of a parameter among the flat values
    at::Tensor buffer;  // of a buffer
  };
  at::Tensor part_of(const at::Tensor& flat, const Slot& slot) const;
  const Slot& slot_of(const Slot& slot) const;
  void update(const TrainingStep& options);
  std::vector<NamedTensor> state() const;

  std::vector<Slot> slots_;
  std::map<std::string, size_t> numbers_;  // of slots, by key
  at::Tensor value_, gradient_, exp_avg_, exp_avg_sq_, average_;
  at::Tensor decay_;  // 1 where weights decay, else 0
  std::vector<at::Tensor> parameters_, gradient_views_;
  int64_t steps_ = 0;
};

}  // namespace dinov3_seg
