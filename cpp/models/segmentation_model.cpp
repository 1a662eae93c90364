#include "models/segmentation_model.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/job_control.h"
#include "core/zip_reader.h"
#include "models/archive.h"
#include "models/cast.h"
#include "models/run_graph.h"

namespace dinov3_seg {
namespace {

/// The one sub-module whose name is or ends in class_embed and that has weight and bias.
torch::jit::Module find_class_embed(const torch::jit::Module& module, const std::string& path) {
  std::optional<torch::jit::Module> found;
  for (const auto& [name, child] : module.named_modules()) {
    const bool named = name == "class_embed" ||
                       (name.size() > 12 && name.compare(name.size() - 12, 12, ".class_embed") == 0);
    if (!named || !child.hasattr("weight") || !child.hasattr("bias")) continue;
    if (found) fail("MODEL_FORMAT", path, " has more than one class_embed");
    found = child;
  }
  if (!found) fail("MODEL_FORMAT", path, " has no sub-module class_embed with weight and bias");
  return *found;
}

at::ScalarType cast_target(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  fail("INVALID_ARGUMENT", "unknown dtype '", dtype, "': expected stored, float32 or bfloat16");
}

torch::jit::Module load_cast(const std::string& path, const ModelPlacement& placement) {
  torch::jit::Module module = load_archive(path, placement.device);
  if (placement.dtype != "stored") cast_segmentor(module, cast_target(placement.dtype));
  return module;
}

}  // namespace

SegmentationModel::SegmentationModel(const std::string& path, const ModelPlacement& placement)
    // In braces: the identity first, which is refused at once where the file is none.
    : SegmentationModel{path, zip_content_id(path), load_cast(path, placement), placement} {}

SegmentationModel::SegmentationModel(std::string path, std::string id, torch::jit::Module module,
                                     const ModelPlacement& placement)
    : path_(std::move(path)),
      id_(std::move(id)),
      device_(placement.device),
      module_(std::move(module)),
      class_embed_(module_),
      runner_(placement.graphs && device_.is_cuda() && has_graphs()) {
  for (const char* method : {"forward", "decode"})
    if (!module_.find_method(method))
      fail("MODEL_FORMAT", path_, " has no method ", method,
           "(images): expected a network made by convert, or one with its methods");
  class_embed_ = find_class_embed(module_, path_);
  module_.eval();
  const bool mixed = dtype() == at::kBFloat16;
  tf32_ = placement.precision == NetworkPrecision::tf32 && mixed && device_.is_cuda();
  if (placement.precision == NetworkPrecision::fast && mixed) cast_pixel_decoder(module_);
  for (at::Tensor parameter : module_.parameters()) {
    parameter.set_requires_grad(false);
    // conv_input (common.py) hands maps over in this layout then, as the products before leave them. In
    // float32 proper cuDNN takes many times longer on it.
    const bool dense = parameter.dim() == 4 && parameter.size(1) > 1;
    if (device_.is_cuda() && dense && (tf32_ || parameter.scalar_type() == at::kBFloat16))
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  for (const char* method : {"forward", "decode", "decode_with_features", "features", "taps"})
    prepare_to_run(module_, method);
}

template <typename Function>
auto SegmentationModel::in_run(const char* method, const at::Tensor& images, Function function) {
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) % 32 != 0 || images.size(3) % 32 != 0 ||
      images.numel() == 0)
    fail("SHAPE", "expected images B×3×H×W with H and W multiples of 32, got ", images.sizes());
  say_doing(c10::str("Running the network (", method, ") on images ", images.sizes()));
  const c10::InferenceMode inference;
  // The optimising executor specialises and compiles for every new shape, seconds a time, and gains nothing
  // here.
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  const Tf32Guard tf32(tf32_);
  return function(images.to(device_, at::kFloat));
}

c10::IValue SegmentationModel::call(const char* method, const at::Tensor& images) {
  return in_run(method, images, [&](const at::Tensor& input) { return module_.get_method(method)({input}); });
}

/// The float32 results of a method that gives a tensor, or a tuple of them.
GraphRunner::Tensors SegmentationModel::run(const char* method, const at::Tensor& images) {
  const auto results = [&](const GraphRunner::Tensors& inputs) {
    const c10::IValue result = module_.get_method(method)({inputs[0]});
    if (result.isTensor()) return GraphRunner::Tensors{result.toTensor().to(at::kFloat)};
    GraphRunner::Tensors tensors;
    for (const c10::IValue& item : result.toTupleRef().elements())
      tensors.push_back(item.toTensor().to(at::kFloat));
    return tensors;
  };
  return in_run(method, images,
                [&](const at::Tensor& input) { return runner_.run(method, {input}, results); });
}

Decoded SegmentationModel::decode(const at::Tensor& images) {
  const auto result = run("decode", images);
  return {result.at(0), result.at(1)};
}

std::vector<PartTime> SegmentationModel::times(const at::Tensor& images, int64_t repeat) {
  return in_run("parts", images,
                [&](const at::Tensor& input) { return part_times(module_, input, runner_, repeat); });
}

void SegmentationModel::require_features(const char* method) const {
  if (!module_.find_method(method))
    fail("MODEL_FORMAT", path_, " has no method ", method,
         "(images), which gives the backbone's features: it was converted by an earlier release or made "
         "elsewhere. "
         "Convert it again from the checkpoints");
}

DecodedWithFeatures SegmentationModel::decode_with_features(const at::Tensor& images) {
  require_features("decode_with_features");
  const auto result = run("decode_with_features", images);
  return {{result.at(0), result.at(1)}, result.at(2)};
}

at::Tensor SegmentationModel::features(const at::Tensor& images) {
  require_features("features");
  return run("features", images).at(0);
}

at::Tensor SegmentationModel::class_logits(const at::Tensor& queries) const {
  const at::Tensor weight = class_embed_weight();
  return at::linear(queries.to(weight.device(), weight.scalar_type()), weight,
                    class_embed_.attr("bias").toTensor())
      .to(at::kFloat);
}

c10::Dict<std::string, at::Tensor> SegmentationModel::taps(const at::Tensor& images) {
  if (!module_.find_method("taps")) fail("MODEL_FORMAT", path_, " has no method taps(images)");
  return c10::impl::toTypedDict<std::string, at::Tensor>(call("taps", images).toGenericDict());
}

ClassEmbed SegmentationModel::class_embed(Precision precision) const {
  return {class_embed_weight(), class_embed_.attr("bias").toTensor(), device_, precision};
}

void SegmentationModel::save_with_head(const ClassEmbed& head, const std::string& path) const {
  if (head.hidden() != hidden())
    fail("HEAD_MISMATCH", "the head takes queries of width ", head.hidden(), ", the network gives ",
         hidden());
  torch::jit::Module target = class_embed_;
  const at::Tensor weight = target.attr("weight").toTensor(), bias = target.attr("bias").toTensor();
  const auto set = [&](const at::Tensor& w, const at::Tensor& b) {
    target.setattr("weight", w);
    target.setattr("bias", b);
  };
  const auto like_own = [](const at::Tensor& value, const at::Tensor& own) {
    return value.to(own.device(), own.scalar_type(), false, true);
  };
  set(like_own(head.weight().value, weight), like_own(head.bias().value, bias));
  try {
    save_archive(module_, path);
  } catch (...) {
    set(weight, bias);
    throw;
  }
  set(weight, bias);
}

at::ScalarType SegmentationModel::dtype() const {
  std::map<at::ScalarType, int64_t> elements;
  for (const at::Tensor& parameter : module_.parameters())
    elements[parameter.scalar_type()] += parameter.numel();
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == elements.end() ? at::kFloat : most->first;
}

int64_t SegmentationModel::width() const {
  constexpr std::string_view key = "patch_embed.proj.weight";
  for (const auto& [name, parameter] : module_.named_parameters())
    if (parameter.dim() == 4 && name.ends_with(key)) return parameter.size(0);
  return hidden();
}

int64_t SegmentationModel::parameters() const {
  int64_t count = 0;
  for (const at::Tensor& parameter : module_.parameters()) count += parameter.numel();
  return count;
}

int64_t SegmentationModel::size_bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& parameter : module_.parameters()) bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

}  // namespace dinov3_seg
