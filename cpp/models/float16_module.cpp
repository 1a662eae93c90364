#include "models/float16_module.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>
#include <vector>

#include "core/job_control.h"
#include "models/precision.h"

namespace dinov3_seg {
namespace {

constexpr float largest_float16 = 65504;

std::string too_large(const std::string& path, const char* what, float largest) {
  const std::string found =
      std::isfinite(largest) ? c10::str("has magnitude ", largest, ", and float16 holds up to 65504. ")
                             : std::string("is infinite or no number in float16, which holds up to 65504. ");
  return c10::str(path, ": ", what, " of the decoder ", found);
}

}  // namespace

std::optional<torch::jit::Module> float16_module(const torch::jit::Module& stored,
                                                 const std::optional<FoldedChains>& chains,
                                                 c10::Device device, const WeightStream* stream,
                                                 const std::string& path) {
  torch::jit::Module module = stored.deepcopy(device);  // slots of its own and the same tensors
  share_tensors(module, stored, stream);
  cast_decoder(module, [&](const std::string&, const at::Tensor& weight) {
    return (stream ? stream->stored(weight) : weight).to(device, at::kHalf);
  });
  if (chains) module = folded_network(module, *chains, device, stream);
  std::vector<at::Tensor> magnitudes;
  for (const at::Tensor& parameter : module.parameters())
    if (parameter.scalar_type() == at::kHalf) magnitudes.push_back(parameter.abs().amax().to(at::kFloat));
  if (magnitudes.empty()) return std::nullopt;
  const auto largest = at::stack(magnitudes).amax().item<float>();
  if (largest <= largest_float16) return module;
  warn_caller("FLOAT16_RANGE", too_large(path, "a weight", largest) +
                                   "The decoder computes in TF32 instead, as with --precision tf32.");
  return std::nullopt;
}

bool Float16Use::holds(float magnitude, const std::string& path) {
  ++passes;
  if (magnitude <= largest_float16) {
    float before = largest;
    while (before < magnitude && !largest.compare_exchange_weak(before, magnitude)) {
    }
    return true;
  }
  ++run_again;
  if (!warned.exchange(true))
    warn_caller("FLOAT16_RANGE", too_large(path, "a value", magnitude) +
                                     "This pass was run again with the decoder in TF32, as every later "
                                     "one will be that needs it, and took twice as long. If most images are "
                                     "like this one, choose --precision tf32.");
  return false;
}

}  // namespace dinov3_seg
