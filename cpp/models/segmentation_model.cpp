#include "models/segmentation_model.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/job_control.h"
#include "core/zip_reader.h"
#include "models/archive.h"
#include "models/cast.h"
#include "models/stop_points.h"

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

torch::jit::Module load_cast(const std::string& path, c10::Device device, const std::string& dtype) {
  torch::jit::Module module = load_archive(path, device);
  if (dtype != "stored") cast_segmentor(module, cast_target(dtype));
  return module;
}

}  // namespace

SegmentationModel::SegmentationModel(const std::string& path, c10::Device device, const std::string& dtype)
    // In braces: the identity first, which is refused at once where the file is none.
    : SegmentationModel{path, zip_content_id(path), device, load_cast(path, device, dtype)} {}

SegmentationModel::SegmentationModel(std::string path, std::string id, c10::Device device,
                                     torch::jit::Module module)
    : path_(std::move(path)),
      id_(std::move(id)),
      device_(device),
      module_(std::move(module)),
      class_embed_(module_) {
  for (const char* method : {"forward", "decode"})
    if (!module_.find_method(method))
      fail("MODEL_FORMAT", path_, " has no method ", method,
           "(images): expected a network made by convert, or one with its methods");
  class_embed_ = find_class_embed(module_, path_);
  module_.eval();
  for (at::Tensor parameter : module_.parameters()) parameter.set_requires_grad(false);
  for (const char* method : {"forward", "decode", "decode_with_features", "features", "taps"})
    add_stop_points(module_, method);
}

c10::IValue SegmentationModel::run(const char* method, const at::Tensor& images) {
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) % 32 != 0 || images.size(3) % 32 != 0 ||
      images.numel() == 0)
    fail("SHAPE", "expected images B×3×H×W with H and W multiples of 32, got ", images.sizes());
  say_doing(c10::str("Running the network (", method, ") on images ", images.sizes()));
  const c10::InferenceMode inference;
  // The optimising executor specialises and compiles for every new shape, seconds a time, and gains nothing
  // here.
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  return module_.get_method(method)({images.to(device_, at::kFloat)});
}

Decoded SegmentationModel::decode(const at::Tensor& images) {
  const auto result = run("decode", images).toTupleRef().elements().vec();
  return {result.at(0).toTensor().to(at::kFloat), result.at(1).toTensor().to(at::kFloat)};
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
  const auto result = run("decode_with_features", images).toTupleRef().elements().vec();
  const auto item = [&](size_t index) { return result.at(index).toTensor().to(at::kFloat); };
  return {{item(0), item(1)}, item(2)};
}

at::Tensor SegmentationModel::features(const at::Tensor& images) {
  require_features("features");
  return run("features", images).toTensor().to(at::kFloat);
}

at::Tensor SegmentationModel::class_logits(const at::Tensor& queries) const {
  const at::Tensor weight = class_embed_weight();
  return at::linear(queries.to(weight.device(), weight.scalar_type()), weight,
                    class_embed_.attr("bias").toTensor())
      .to(at::kFloat);
}

c10::Dict<std::string, at::Tensor> SegmentationModel::taps(const at::Tensor& images) {
  if (!module_.find_method("taps")) fail("MODEL_FORMAT", path_, " has no method taps(images)");
  return c10::impl::toTypedDict<std::string, at::Tensor>(run("taps", images).toGenericDict());
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
