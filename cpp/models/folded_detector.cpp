#include "models/folded_detector.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "models/builder.h"
#include "models/detector_plan.h"
#include "models/module_tree.h"
#include "models/quantized_blocks.h"
#include "models/torchscript_parser.h"
#include "models/torchscript_sources.h"

namespace dinov3_seg {
namespace {

using torch::jit::Module;

const std::string input_prefix = "input_proj.0.";
const std::string input_weight = input_prefix + "0.weight", input_bias = input_prefix + "0.bias";

/// What stands at detector_backbone_prefix; nothing where a name on the way is missing.
std::optional<Module> detector_backbone(const Module& detector) {
  Module module = detector;
  for (const char* name : {"backbone", "0", "_backbone", "backbone"}) {
    if (!module.hasattr(name) || !module.attr(name).isModule()) return std::nullopt;
    module = module.attr(name).toModule();
  }
  return module;
}

/// A detector's tensors: those of its head under their names, and those of its backbone without their prefix.
struct DetectorTensors {
  std::vector<NamedTensor> head, backbone;

  explicit DetectorTensors(const Module& module) {
    for (const auto& [name, tensor] : module.named_parameters()) take(name, tensor);
    for (const auto& [name, tensor] : module.named_buffers()) take(name, tensor);
  }

  const at::Tensor& of_head(const std::string& name) const {
    return std::ranges::find(head, name, &NamedTensor::name)->tensor;
  }

  /// Nothing for other keys or shapes than those of a detector.
  std::optional<DetectorDims> dims() const {
    const std::vector<KeyShape> shapes = shapes_of(head);
    try {
      const DetectorDims dims = read_detector_dims(shapes_of(backbone), shapes);
      size_t wanted = 0;
      for (const KeyShape& key : detector_head_keys(dims)) {
        if (!key.repeats.empty()) continue;
        const auto found = std::ranges::find(shapes, key.name, &KeyShape::name);
        if (found == shapes.end() || found->shape != key.shape) return std::nullopt;
        ++wanted;
      }
      return wanted == head.size() ? std::optional(dims) : std::nullopt;
    } catch (const Error&) {
      return std::nullopt;
    }
  }

 private:
  void take(const std::string& name, const at::Tensor& tensor) {
    const std::string prefix = detector_backbone_prefix;
    if (name.starts_with(prefix))
      backbone.push_back({name.substr(prefix.size()), tensor});
    else if (!name.ends_with(
                 weight_scales_name))  // empty: linears of that class are quantised in the backbone
      head.push_back({name, tensor});
  }
};

}  // namespace

bool is_detector(const Module& module) {
  const auto& name = module.type()->name();
  return name && name->qualifiedName().starts_with("__torch__.dinov3_seg.") &&
         name->name().starts_with("Detector") && detector_backbone(module).has_value();
}

std::optional<FoldedChains> fold_detector(const Module& stored) {
  if (!is_detector(stored) || !detector_backbone(stored)->find_method("forward")) return std::nullopt;
  const DetectorTensors tensors(stored);
  if (!tensors.dims()) return std::nullopt;
  const at::NoGradGuard no_gradients;
  const at::Tensor weight = tensors.of_head(input_weight).flatten(1);
  const int64_t half = weight.size(1) / 2;
  return FoldedChains{{{input_prefix + "whole.weight", weight.narrow(1, 0, half), input_weight},
                       {input_prefix + "local.weight", weight.narrow(1, half, half), input_weight},
                       {input_prefix + "local.bias", tensors.of_head(input_bias), input_bias}}};
}

Module folded_detector(const Module& stored, const FoldedChains& chains, c10::Device device,
                       const WeightStream* stream) {
  const DetectorTensors factors(stored);
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& each : factors.head)
    if (each.name != input_weight && each.name != input_bias) tensors.push_back(each);
  for (const auto& [name, tensor, like] : chains.tensors)
    tensors.push_back({name, tensor.to(device, factors.of_head(like).scalar_type())});
  std::string place = detector_backbone_prefix;
  place.pop_back();  // the dot
  Module module = build_module(parse_sources(torchscript_sources()), "Detector",
                               detector_constants(*factors.dims()), tensors,
                               // Slots of its own and the same tensors.
                               {{place, detector_backbone(stored)->deepcopy(device)}});
  module.eval();
  share_tensors(module, stored, stream);
  return module;
}

}  // namespace dinov3_seg
