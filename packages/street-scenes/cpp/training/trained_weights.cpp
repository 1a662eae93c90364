#include "training/trained_weights.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/accumulate.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "training/training_init.h"

namespace dinov3_seg {
namespace {

constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
/// Elements between the beginnings of parameters: kernels read 16 bytes at a time where they are aligned.
constexpr int64_t alignment = 64;
constexpr const char* state_format = "dinov3-seg training state 1";

/// Whether weights of this key decay: those of products, not norms, biases, tokens and embeddings.
bool decays(const KeyShape& key) {
  const bool embedding =
      key.name.find("embed.weight") != std::string::npos && key.name.find("class_embed") == std::string::npos;
  return key.name.ends_with("weight") && key.shape.size() > 1 &&
         (!embedding || key.name.find("patch_embed") != std::string::npos) &&
         key.name.find("query_feat") == std::string::npos;
}

bool is_parameter(const KeyShape& key) { return !key.buffer && key.repeats.empty(); }

}  // namespace

TrainedWeights::TrainedWeights(const std::vector<TrainedKey>& keys, uint64_t seed, c10::Device device) {
  int64_t size = 0;
  for (const auto& [key, prefix] : keys) {
    numbers_.emplace(prefix + key.name, slots_.size());
    slots_.push_back({key, prefix, size, {}});
    if (key.buffer) slots_.back().buffer = initial_weights(key, seed).to(device);
    if (is_parameter(key))
      size += (c10::multiply_integers(key.shape) + alignment - 1) / alignment * alignment;
  }
  value_ = at::zeros({size}, at::kFloat);
  decay_ = at::zeros({size}, at::kFloat);
  for (const Slot& slot : slots_) {
    if (!is_parameter(slot.key)) continue;
    part_of(value_, slot).copy_(initial_weights(slot.key, seed));
    if (decays(slot.key)) part_of(decay_, slot).fill_(1);
  }
  value_ = value_.to(device);
  decay_ = decay_.to(device);
  average_ = value_.clone();
  gradient_ = at::zeros_like(value_);
  exp_avg_ = at::zeros_like(value_);
  exp_avg_sq_ = at::zeros_like(value_);
}

at::Tensor TrainedWeights::part_of(const at::Tensor& flat, const Slot& slot) const {
  return flat.narrow(0, slot.place, c10::multiply_integers(slot.key.shape)).view(slot.key.shape);
}

/// The one that holds a slot's values.
const TrainedWeights::Slot& TrainedWeights::slot_of(const Slot& slot) const {
  return slot.key.repeats.empty() ? slot : slots_[numbers_.at(slot.prefix + slot.key.repeats)];
}

std::vector<NamedTensor> TrainedWeights::tensors() const {
  std::vector<NamedTensor> tensors;
  for (const Slot& slot : slots_)
    if (slot.key.repeats.empty())
      tensors.push_back({slot.prefix + slot.key.name, slot.key.buffer ? slot.buffer : part_of(value_, slot)});
  return tensors;
}

void TrainedWeights::train(const torch::jit::Module& module) {
  std::map<std::string, at::Tensor> by_name;
  for (const auto& entry : module.named_parameters()) by_name.emplace(entry.name, entry.value);
  for (const Slot& slot : slots_) {
    if (!is_parameter(slot.key)) continue;
    at::Tensor parameter = by_name.at(slot.prefix + slot.key.name);
    parameter.set_requires_grad(true);
    parameters_.push_back(parameter);
    gradient_views_.push_back(part_of(gradient_, slot));
  }
}

int64_t TrainedWeights::parameters() const {
  int64_t count = 0;
  for (const at::Tensor& parameter : parameters_) count += parameter.numel();
  return count;
}

at::Tensor TrainedWeights::step(const at::Tensor& loss, const TrainingStep& options) {
  const auto gradients = torch::autograd::grad({loss}, parameters_, {}, std::nullopt, false, true);
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> from, to;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;  // of what inference does not use
    from.push_back(gradients[i].contiguous());
    to.push_back(gradient_views_[i]);
  }
  at::_foreach_copy_(to, from);
  update(options);
  return gradient_.norm();
}

void TrainedWeights::update(const TrainingStep& options) {
  ++steps_;
  at::Tensor gradient = gradient_;
  if (options.max_norm > 0)
    gradient = gradient_ * (options.max_norm / (gradient_.norm() + 1e-6)).clamp_max(1);
  exp_avg_.lerp_(gradient, 1 - beta1);
  exp_avg_sq_.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const auto n = static_cast<double>(steps_);
  const at::Tensor denominator = exp_avg_sq_.sqrt().div_(std::sqrt(1 - std::pow(beta2, n))).add_(epsilon);
  value_.addcmul_(decay_, value_, -options.learning_rate * options.weight_decay);
  value_.addcdiv_(exp_avg_, denominator, -options.learning_rate / (1 - std::pow(beta1, n)));
  average_.lerp_(value_, 1 - std::min(options.ema, (1 + n) / (10 + n)));
}

std::vector<at::Tensor> TrainedWeights::with_averages(const std::function<std::vector<at::Tensor>()>& run) {
  const c10::NoGradGuard no_grad;
  const at::Tensor own = value_.clone();
  value_.copy_(average_);
  try {
    auto result = run();
    value_.copy_(own);
    return result;
  } catch (...) {
    value_.copy_(own);
    throw;
  }
}

std::vector<NamedTensor> TrainedWeights::file_of(const std::string& prefix, at::ScalarType dtype) const {
  std::vector<NamedTensor> file;
  for (const Slot& slot : slots_) {
    if (slot.prefix != prefix) continue;
    at::Tensor tensor = slot.key.buffer ? slot.buffer : part_of(average_, slot_of(slot));
    if (slot.key.name.ends_with("num_batches_tracked")) tensor = at::full({}, steps_, at::kLong);
    if (!slot.key.buffer && tensor.dim() > 1) tensor = tensor.to(dtype);
    file.push_back({slot.key.name, tensor});
  }
  return file;
}

std::vector<NamedTensor> TrainedWeights::state() const {
  std::vector<NamedTensor> tensors{
      {"value", value_}, {"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}, {"average", average_}};
  for (const Slot& slot : slots_)
    if (slot.key.name.find(".running_") != std::string::npos) tensors.push_back({slot.key.name, slot.buffer});
  return tensors;
}

void TrainedWeights::save_state(const std::string& path, const std::string& architecture) const {
  write_safetensors(
      path, state(),
      {{"format", state_format}, {"architecture", architecture}, {"steps", std::to_string(steps_)}});
}

void TrainedWeights::restore_state(const std::string& path, const std::string& architecture) {
  const Checkpoint checkpoint = read_checkpoint(path);
  const auto own = state();
  const auto metadata = [&](const char* name) {
    const auto found = checkpoint.metadata.find(name);
    return found == checkpoint.metadata.end() ? std::string() : found->second;
  };
  bool fits = metadata("format") == state_format && metadata("architecture") == architecture &&
              checkpoint.tensors.size() == own.size();
  for (size_t i = 0; fits && i < own.size(); ++i)
    fits = checkpoint.tensors[i].name == own[i].name &&
           checkpoint.tensors[i].tensor.sizes() == own[i].tensor.sizes();
  if (!fits)
    fail("CHECKPOINT_KEYS", path, " does not hold the state of training a ", architecture,
         "; begin anew or give the state that this training has saved");
  for (size_t i = 0; i < own.size(); ++i) own[i].tensor.copy_(checkpoint.tensors[i].tensor);
  steps_ = std::stoll(metadata("steps"));
}

}  // namespace dinov3_seg
