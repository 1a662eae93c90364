// A network with its pixel decoder in float16, which has TF32's mantissa at twice the rate and a range that
// ends at 65504.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace dinov3_seg {

/// What was seen in float16 so far, of a network and its replicas together. From any thread.
struct Float16Use {
  std::atomic<float> largest{0};      // magnitude of any product's input that a pass held
  std::atomic<int64_t> passes{0};     // those whose range was looked at
  std::atomic<int64_t> run_again{0};  // of these, those that float16 could not hold
  std::atomic<bool> warned{false};
};

/// A copy of a network's module: it shares all tensors but the weights of the pixel decoder's linears and
/// convolutions, which it has in float16. For one thread at a time.
class Float16Copy {
 public:
  /// Nothing for a network without a pixel decoder, and, with a warning to the job's caller, for one with a
  /// weight that float16 cannot hold. Shares the copy of `first` as far as that is on the same device, and
  /// what it records. `path` names the network in messages.
  static std::optional<Float16Copy> make(const torch::jit::Module& module, c10::Device device,
                                         const std::string& path, const Float16Copy* first);

  const torch::jit::Module& module() const { return module_; }
  const Float16Use& use() const { return *use_; }
  /// Those in float16, by name.
  const std::unordered_map<std::string, at::Tensor>& weights() const { return weights_; }

  /// Whether a pass stands whose products' inputs had this largest magnitude. If not, the first time a
  /// warning to the job's caller: it has to be run again without float16.
  bool holds(float largest, const std::string& path);

 private:
  Float16Copy(torch::jit::Module module, std::shared_ptr<Float16Use> use)
      : module_(std::move(module)), use_(std::move(use)) {}

  torch::jit::Module module_;
  std::unordered_map<std::string, at::Tensor> weights_;
  std::shared_ptr<Float16Use> use_;
};

}  // namespace dinov3_seg
