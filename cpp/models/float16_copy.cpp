#include "models/float16_copy.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
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
  return c10::str(path, ": ", what, " of the pixel decoder ", found);
}

/// Tensors of their own over the same memory: a file says of a tensor that is held more than once where it
/// first was, and saving the network is to write it as without a copy.
void alias_tensors(const torch::jit::Module& module) {
  for (const torch::jit::Module& each : module.modules()) {
    const auto object = each._ivalue();
    for (size_t slot = 0; slot < object->slots().size(); ++slot) {
      const c10::IValue& value = object->getSlot(slot);
      if (value.isTensor() && value.toTensor().defined()) object->setSlot(slot, value.toTensor().detach());
    }
  }
}

}  // namespace

std::optional<Float16Copy> Float16Copy::make(const torch::jit::Module& module, c10::Device device,
                                             const std::string& path, const Float16Copy* first) {
  Float16Copy copy(module.deepcopy(device), first ? first->use_ : std::make_shared<Float16Use>());
  alias_tensors(copy.module_);
  std::vector<at::Tensor> magnitudes;
  cast_pixel_decoder(copy.module_, [&](const std::string& name, const at::Tensor& weight) {
    if (first) {
      const auto known = first->weights_.find(name);
      if (known != first->weights_.end() && known->second.device() == weight.device())
        return copy.weights_.emplace(name, known->second).first->second;
    }
    magnitudes.push_back(weight.abs().amax().to(at::kFloat));
    return copy.weights_.emplace(name, weight.to(at::kHalf)).first->second;
  });
  if (copy.weights_.empty()) return std::nullopt;
  const float largest = magnitudes.empty() ? 0 : at::stack(magnitudes).amax().item<float>();
  if (largest <= largest_float16) return copy;
  warn_caller(
      "FLOAT16_RANGE",
      too_large(path, "a weight", largest) +
          "The network runs with precision tf32 instead of float16; choose it with --precision tf32.");
  return std::nullopt;
}

bool Float16Copy::holds(float largest, const std::string& path) {
  ++use_->passes;
  if (largest <= largest_float16) {
    float before = use_->largest;
    while (before < largest && !use_->largest.compare_exchange_weak(before, largest)) {
    }
    return true;
  }
  ++use_->run_again;
  if (!use_->warned.exchange(true))
    warn_caller("FLOAT16_RANGE", too_large(path, "a value", largest) +
                                     "This pass was run again in precision tf32, as every later one will be "
                                     "that needs it, and took twice as long. If most images are like this "
                                     "one, choose --precision tf32.");
  return false;
}

}  // namespace dinov3_seg
