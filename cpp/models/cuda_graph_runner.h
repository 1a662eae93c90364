// A network's passes as CUDA graphs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "ops/cuda_graph.h"

namespace dinov3_seg {

/// Runs functions of tensors. If `enabled`, the second call with the same name and sizes is recorded, and
/// later calls replay the recording: the same kernels without gaps between their launches. A recording holds
/// the memory of a pass; at most `most` are kept, and the least recently used one is dropped. If memory runs
/// out, all recordings and libtorch's cached memory are freed, and the function is tried once more. A
/// function whose recording ran out of memory is not recorded again as long as it is among the `most`. For
/// one thread.
class CudaGraphRunner {
 public:
  using Tensors = std::vector<at::Tensor>;
  static constexpr size_t most = 4;

  explicit CudaGraphRunner(bool enabled) : enabled_(enabled) {}

  /// `function` of `inputs` (on one device). Results are the caller's own. What a recording is to hold must
  /// not wait for the device. A recording holds `held`, which it reads beside the inputs. Throws what the
  /// function throws; where memory runs out, at its second attempt.
  Tensors run(const std::string& name, const Tensors& inputs,
              const std::function<Tensors(const Tensors&)>& function,
              const std::shared_ptr<const void>& held = nullptr);

  /// Frees all recordings and their memory.
  void clear() { recordings_.clear(); }

 private:
  struct Recording {
    std::string name;
    Tensors inputs, outputs;
    std::unique_ptr<CudaGraph> graph;  // null: seen once
    bool refused = false;              // there was no memory to record it
    std::shared_ptr<const void> held;
  };

  Tensors attempt(const std::string& name, const Tensors& inputs,
                  const std::function<Tensors(const Tensors&)>& function,
                  const std::shared_ptr<const void>& held);
  Recording* find(const std::string& name, const Tensors& inputs);

  void remember(const std::string& name, const Tensors& inputs, bool refused);

  bool enabled_;
  std::list<Recording> recordings_;  // the last used first
};

}  // namespace dinov3_seg
