#include "training/network_training.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/accumulate.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <cmath>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/safetensors.h"
#include "models/builder.h"
#include "models/module_tree.h"
#include "models/precision.h"
#include "models/presets.h"
#include "models/script.h"
#include "training/training_init.h"

namespace dinov3_seg {
namespace {

constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
/// Elements between the beginnings of parameters: kernels read 16 bytes at a time where they are aligned.
constexpr int64_t alignment = 64;
constexpr const char* state_format = "dinov3-seg training state 1";

/// The networks' sources with those of training in place of their namesakes.
ScriptLibrary training_library() {
  ScriptLibrary library = parse_sources(torchscript_sources());
  ScriptLibrary own = parse_sources(training_sources());
  for (auto& [name, parsed] : own.classes) library.classes.insert_or_assign(name, std::move(parsed));
  for (torch::jit::Def& function : library.functions)
    for (const torch::jit::Def& by : own.functions)
      if (by.name().name() == function.name().name()) function = by;
  return library;
}

/// Whether weights of this key decay: those of products, not norms, biases, tokens and embeddings.
bool decays(const KeyShape& key) {
  const bool embedding =
      key.name.find("embed.weight") != std::string::npos && key.name.find("class_embed") == std::string::npos;
  return key.name.ends_with("weight") && key.shape.size() > 1 &&
         (!embedding || key.name.find("patch_embed") != std::string::npos) &&
         key.name.find("query_feat") == std::string::npos;
}

void check_sizes(const TrainingSettings& settings) {
  for (const int64_t size : {settings.height, settings.width})
    if (size < 32 || size % 32 != 0)
      fail("SHAPE", "expected views of a height and width that are multiples of 32, got ", settings.height,
           "×", settings.width);
}

}  // namespace

NetworkTraining::NetworkTraining(const TrainingSettings& settings)
    : settings_(settings),
      scenes_((check_sizes(settings), settings.capacity), settings.scene_height, settings.scene_width,
              preset(settings.architecture).classes - 1, settings.device) {
  make_slots();
  build();
  sums_ = at::zeros({5}, value_.options().dtype(at::kDouble));
}

void NetworkTraining::make_slots() {
  const SegmentorDims dims = preset(settings_.architecture);
  int64_t size = 0;
  const auto add = [&](const KeyShape& key, bool backbone) {
    if (!key.repeats.empty()) fail("INTERNAL", key.name, " repeats another key");
    if (key.buffer) {
      slots_.push_back({key, backbone, 0, initial_weights(key, settings_.seed).to(settings_.device)});
      return;
    }
    slots_.push_back({key, backbone, size, {}});
    size += (c10::multiply_integers(key.shape) + alignment - 1) / alignment * alignment;
  };
  // In the order of a network that is built: the head's first key, the backbone, the rest of the head.
  const auto head = head_keys(dims);
  add(head.front(), false);
  for (const KeyShape& key : backbone_keys(dims)) add(key, true);
  for (size_t i = 1; i < head.size(); ++i) add(head[i], false);
  value_ = at::zeros({size}, at::kFloat);
  decay_ = at::zeros({size}, at::kFloat);
  for (const Slot& slot : slots_) {
    if (slot.key.buffer) continue;
    part_of(value_, slot).copy_(initial_weights(slot.key, settings_.seed));
    if (decays(slot.key)) part_of(decay_, slot).fill_(1);
  }
  value_ = value_.to(settings_.device);
  decay_ = decay_.to(settings_.device);
  average_ = value_.clone();
  gradient_ = at::zeros_like(value_);
  exp_avg_ = at::zeros_like(value_);
  exp_avg_sq_ = at::zeros_like(value_);
}

at::Tensor NetworkTraining::part_of(const at::Tensor& flat, const Slot& slot) const {
  return flat.narrow(0, slot.place, c10::multiply_integers(slot.key.shape)).view(slot.key.shape);
}

/// The module whose parameters are the flat values.
void NetworkTraining::build() {
  std::vector<NamedTensor> tensors;
  for (const Slot& slot : slots_)
    tensors.push_back({(slot.backbone ? backbone_prefix : "") + slot.key.name,
                       slot.key.buffer ? slot.buffer : part_of(value_, slot)});
  module_ = build_module(training_library(), "Segmentor", segmentor_constants(preset(settings_.architecture)),
                         tensors);
  std::map<std::string, at::Tensor> by_name;
  for (const auto& entry : module_.named_parameters()) by_name.emplace(entry.name, entry.value);
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].key.buffer) continue;
    at::Tensor parameter = by_name.at(tensors[i].name);
    parameter.set_requires_grad(true);
    parameters_.push_back(parameter);
    gradient_views_.push_back(part_of(gradient_, slots_[i]));
  }
}

int64_t NetworkTraining::parameters() const {
  int64_t count = 0;
  for (const at::Tensor& parameter : parameters_) count += parameter.numel();
  return count;
}

std::pair<at::Tensor, at::Tensor> NetworkTraining::run(const at::Tensor& images) {
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  const c10::IValue result = module_.get_method("predictions")({images});
  const auto& outputs = result.toTupleRef().elements();
  return {outputs[0].toTensor(), outputs[1].toTensor()};
}

void NetworkTraining::step(const TrainingBatch& batch, const TrainingStep& options) {
  say_doing("Training a network");
  // Guards do not nest: this one is for the network, the loss and the backward pass.
  const Tf32Guard tf32(settings_.device.is_cuda());
  TrainingViews views;
  {
    const c10::NoGradGuard no_grad;
    views = scenes_.views(batch.scenes, batch.views, settings_.height, settings_.width);
  }
  module_.train(true);
  const c10::AutoGradMode with_grad(true);
  const auto [logits, masks] = run(views.images);
  const SetLoss loss = set_loss(logits, masks, views.targets);
  const auto gradients = torch::autograd::grad({loss.total}, parameters_, {}, std::nullopt, false, true);
  const c10::NoGradGuard no_grad;
  update(gradients, options);
  const at::Tensor parts = at::stack({loss.total, loss.classes, loss.mask, loss.dice, gradient_.norm()});
  sums_.add_(parts.to(at::kDouble));
  ++summed_;
}

void NetworkTraining::update(const std::vector<at::Tensor>& gradients, const TrainingStep& options) {
  std::vector<at::Tensor> from, to;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;  // of what inference does not use
    from.push_back(gradients[i].contiguous());
    to.push_back(gradient_views_[i]);
  }
  at::_foreach_copy_(to, from);
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

TrainingLosses NetworkTraining::take_losses() {
  const at::Tensor means = (sums_ / std::max<int64_t>(summed_, 1)).to(at::kCPU);
  const auto value = means.accessor<double, 1>();
  sums_.zero_();
  summed_ = 0;
  return {value[0], value[1], value[2], value[3], value[4]};
}

/// Under the averaged weights, without gradients.
std::pair<at::Tensor, at::Tensor> NetworkTraining::run_average(const at::Tensor& images, bool train) {
  const c10::NoGradGuard no_grad;
  const Tf32Guard tf32(settings_.device.is_cuda());
  const at::Tensor own = value_.clone();
  value_.copy_(average_);
  module_.train(train);
  try {
    auto result = run(images);
    value_.copy_(own);
    return result;
  } catch (...) {
    value_.copy_(own);
    throw;
  }
}

void NetworkTraining::calibrate(const TrainingBatch& batch) {
  const c10::NoGradGuard no_grad;
  run_average(scenes_.views(batch.scenes, batch.views, settings_.height, settings_.width).images, true);
}

std::pair<at::Tensor, at::Tensor> NetworkTraining::predictions(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) % 32 != 0 || images.size(3) % 32 != 0 ||
      images.numel() == 0 || images.scalar_type() != at::kFloat)
    fail("SHAPE", "expected float32 images B×3×H×W with H and W multiples of 32, got ", images.sizes());
  return run_average(images.to(settings_.device), false);
}

void NetworkTraining::save(const std::string& backbone, const std::string& head, at::ScalarType dtype,
                           std::map<std::string, std::string> metadata) const {
  std::vector<NamedTensor> files[2];
  for (const Slot& slot : slots_) {
    at::Tensor tensor = slot.key.buffer ? slot.buffer : part_of(average_, slot);
    if (slot.key.name.ends_with("num_batches_tracked")) tensor = at::full({}, steps_, at::kLong);
    if (!slot.key.buffer && tensor.dim() > 1) tensor = tensor.to(dtype);
    files[slot.backbone ? 0 : 1].push_back({slot.key.name, tensor});
  }
  metadata.insert({{"architecture", settings_.architecture},
                   {"seed", std::to_string(settings_.seed)},
                   {"steps", std::to_string(steps_)}});
  write_safetensors(backbone, files[0], metadata);
  write_safetensors(head, files[1], metadata);
}

std::vector<NamedTensor> NetworkTraining::state() const {
  std::vector<NamedTensor> tensors{
      {"value", value_}, {"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}, {"average", average_}};
  for (const Slot& slot : slots_)
    if (slot.key.name.find(".running_") != std::string::npos) tensors.push_back({slot.key.name, slot.buffer});
  return tensors;
}

void NetworkTraining::save_state(const std::string& path) const {
  write_safetensors(path, state(),
                    {{"format", state_format},
                     {"architecture", settings_.architecture},
                     {"steps", std::to_string(steps_)}});
}

void NetworkTraining::restore_state(const std::string& path) {
  const Checkpoint checkpoint = read_checkpoint(path);
  const auto own = state();
  const auto metadata = [&](const char* name) {
    const auto found = checkpoint.metadata.find(name);
    return found == checkpoint.metadata.end() ? std::string() : found->second;
  };
  bool fits = metadata("format") == state_format && metadata("architecture") == settings_.architecture &&
              checkpoint.tensors.size() == own.size();
  for (size_t i = 0; fits && i < own.size(); ++i)
    fits = checkpoint.tensors[i].name == own[i].name &&
           checkpoint.tensors[i].tensor.sizes() == own[i].tensor.sizes();
  if (!fits)
    fail("CHECKPOINT_KEYS", path, " does not hold the state of training a ", settings_.architecture,
         "; begin anew or give the state that this training has saved");
  for (size_t i = 0; i < own.size(); ++i) own[i].tensor.copy_(checkpoint.tensors[i].tensor);
  steps_ = std::stoll(metadata("steps"));
}

}  // namespace dinov3_seg
