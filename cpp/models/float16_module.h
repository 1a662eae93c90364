// A network with its decoder (precision.h) in float16, which has TF32's mantissa at twice the rate and a
// range that ends at 65504.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "models/folded_chains.h"

namespace dinov3_seg {

/// What was seen in float16 so far, of a network and its replicas together. From any thread.
struct Float16Use {
  std::atomic<float> largest{0};      // magnitude of any product's input that a pass held
  std::atomic<int64_t> passes{0};     // those whose range was looked at
  std::atomic<int64_t> run_again{0};  // of these, those that float16 could not hold
  std::atomic<bool> warned{false};

  /// Whether a pass stands whose products' inputs had this largest magnitude. If not, the first time a
  /// warning to the job's caller: it has to be run again without float16.
  bool holds(float magnitude, const std::string& path);
};

/// What predicts in float16: it shares all tensors with `stored` but the weights of the decoder's linears and
/// convolutions, and those of folded chains: these are on the device, whatever `stream` (null: none) has
/// taken of `stored`. Nothing for a network without a decoder, and, with a warning to the job's caller, for
/// one with a weight that float16 cannot hold. `path` names it in messages.
std::optional<torch::jit::Module> float16_module(const torch::jit::Module& stored,
                                                 const std::optional<FoldedChains>& chains,
                                                 c10::Device device, const WeightStream* stream,
                                                 const std::string& path);

}  // namespace dinov3_seg
