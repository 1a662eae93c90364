#include "training/network_training.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>

#include "core/job_control.h"
#include "models/precision.h"
#include "models/torchscript_sources.h"
#include "training/training_sources.h"

namespace dinov3_seg {

ScriptLibrary training_library() {
  ScriptLibrary library = parse_sources(torchscript_sources());
  ScriptLibrary own = parse_sources(training_sources());
  for (auto& [name, parsed] : own.classes) library.classes.insert_or_assign(name, std::move(parsed));
  for (torch::jit::Def& function : library.functions)
    for (const torch::jit::Def& by : own.functions)
      if (by.name().name() == function.name().name()) function = by;
  return library;
}

NetworkTraining::NetworkTraining(const TrainingSettings& settings, const std::vector<TrainedKey>& keys,
                                 std::vector<std::string> losses)
    : settings_(settings), weights_(keys, settings.seed, settings.device), names_(std::move(losses)) {
  names_.emplace_back("gradientNorm");
  sums_ = at::zeros({static_cast<int64_t>(names_.size())},
                    at::TensorOptions().dtype(at::kDouble).device(settings.device));
}

std::vector<at::Tensor> NetworkTraining::predict(const at::Tensor& images) {
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  std::vector<at::Tensor> outputs;
  const c10::IValue result = module_.get_method("predictions")({images});
  for (const c10::IValue& output : result.toTupleRef().elements()) outputs.push_back(output.toTensor());
  return outputs;
}

std::vector<at::Tensor> NetworkTraining::predict_averaged(const at::Tensor& images, bool batch_statistics) {
  const Tf32Guard tf32(settings_.device, true);
  module_.train(batch_statistics);
  return weights_.with_averages([&] { return predict(images); });
}

void NetworkTraining::step(const TrainingBatch& batch, const TrainingStep& options) {
  say_doing("Training a network");
  // Guards do not nest: this one is for the network, the loss and the backward pass.
  const Tf32Guard tf32(settings_.device, true);
  module_.train(true);
  const c10::AutoGradMode with_grad(true);
  std::vector<at::Tensor> values = losses(batch);
  values.push_back(weights_.step(values.front(), options));
  const c10::NoGradGuard no_grad;
  sums_.add_(at::stack(values).to(at::kDouble));
  ++summed_;
}

std::vector<std::pair<std::string, double>> NetworkTraining::take_losses() {
  const at::Tensor means = (sums_ / std::max<int64_t>(summed_, 1)).to(at::kCPU);
  sums_.zero_();
  summed_ = 0;
  std::vector<std::pair<std::string, double>> losses;
  for (size_t i = 0; i < names_.size(); ++i)
    losses.emplace_back(names_[i], means.const_data_ptr<double>()[i]);
  return losses;
}

std::map<std::string, std::string> NetworkTraining::described(
    std::map<std::string, std::string> metadata) const {
  metadata.insert({{"architecture", settings_.architecture},
                   {"seed", std::to_string(settings_.seed)},
                   {"steps", std::to_string(steps())}});
  return metadata;
}

}  // namespace dinov3_seg
