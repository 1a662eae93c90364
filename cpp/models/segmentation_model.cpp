#include "models/segmentation_model.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/finite_watch.h"
#include "models/archive.h"
#include "models/backbone_network_plan.h"
#include "models/builder.h"
#include "models/cast.h"
#include "models/network_outputs.h"
#include "models/product_inputs.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

/// A detector has features of its own, of windows, that no probe is for.
void refuse_detector(const torch::jit::Module& module, const std::string& path) {
  for (const auto& entry : module.named_parameters(/*recurse=*/true))
    if (entry.name.ends_with("class_embed.0.weight"))
      fail("MODEL_FORMAT", path,
           " contains a detector: expected a segmentation network or a backbone alone, made by convert "
           "without "
           "task detection");
}

/// The one sub-module whose name is or ends in class_embed and that has weight and bias. Nothing for a
/// network without a decoder.
std::optional<torch::jit::Module> find_class_embed(const torch::jit::Module& module,
                                                   const std::string& path) {
  std::optional<torch::jit::Module> found;
  for (const auto& [name, child] : module.named_modules()) {
    const bool named = name == "class_embed" ||
                       (name.size() > 12 && name.compare(name.size() - 12, 12, ".class_embed") == 0);
    if (!named || !child.hasattr("weight") || !child.hasattr("bias")) continue;
    if (found) fail("MODEL_FORMAT", path, " has more than one class_embed");
    const c10::IValue weight = child.attr("weight"), bias = child.attr("bias");
    const bool is_linear = weight.isTensor() && bias.isTensor() && weight.toTensor().dim() == 2 &&
                           bias.toTensor().dim() == 1 && weight.toTensor().numel() > 0 &&
                           bias.toTensor().size(0) == weight.toTensor().size(0) &&
                           weight.toTensor().is_floating_point() && bias.toTensor().is_floating_point();
    if (!is_linear)
      fail("MODEL_FORMAT", path,
           ": its class_embed is no linear layer: expected a weight K×C and a bias K of a floating dtype");
    found = child;
  }
  const bool decodes = module.find_method("decode").has_value();
  if (decodes && !found) fail("MODEL_FORMAT", path, " has no sub-module class_embed with weight and bias");
  if (!decodes && !module.find_method("features"))
    fail("MODEL_FORMAT", path,
         " has no method decode(images) or features(images): expected a network made by convert, or one with "
         "its methods");
  if (!decodes) refuse_detector(module, path);
  return decodes ? found : std::nullopt;
}

/// The linear head of build_backbone inside a network.
std::optional<torch::jit::Module> find_linear_head(const torch::jit::Module& module) {
  for (const auto& [name, child] : module.named_modules())
    if (name + "." == linear_head_prefix && child.hasattr("batchnorm_layer") && child.hasattr("conv"))
      return child;
  return std::nullopt;
}

/// The method that gives features of `layers` layers, with queries and masks or alone.
const char* features_method(int64_t layers, bool decoded) {
  if (layers > 1) return decoded ? "decode_with_layer_features" : "layer_features";
  return decoded ? "decode_with_features" : "features";
}

torch::jit::Module load_cast(const std::string& path, const ModelPlacement& placement) {
  torch::jit::Module module = load_archive(path, placement.device, {}, resident_until_cast(placement),
                                           placement.resident_blocks.has_value(), placement.trust_code);
  if (placement.dtype != "stored") cast_segmentor(module, cast_target(placement.dtype));
  return module;
}

void check_images(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) % 32 != 0 || images.size(3) % 32 != 0 ||
      images.numel() == 0)
    fail("SHAPE", "expected images B×3×H×W with H and W multiples of 32, got ", images.sizes());
}

}  // namespace

SegmentationModel::SegmentationModel(const std::string& path, const ModelPlacement& placement)
    // In braces: the identity first, which is refused at once where the file is none.
    : SegmentationModel{origin_of(path), load_cast(path, placement), placement} {}

SegmentationModel::SegmentationModel(const SegmentationModel& first, NetworkModules modules,
                                     const ModelPlacement& placement)
    : NetworkModule(first, std::move(modules), placement),
      class_embed_(find_class_embed(this->module(), this->path())) {}

SegmentationModel::SegmentationModel(NetworkOrigin origin, torch::jit::Module module,
                                     const ModelPlacement& placement)
    : NetworkModule(std::move(origin), std::move(module), placement, {"forward"},
                    {"forward", "decode", "decode_with_features", "decode_with_layer_features", "features",
                     "layer_features", "taps"},
                    "a network"),
      class_embed_(find_class_embed(this->module(), this->path())) {}

/// A method's results for images of a size that the network takes.
CudaGraphRunner::Tensors SegmentationModel::run_checked(const char* method, const at::Tensor& images,
                                                        bool decodes) {
  check_images(images);
  return run(method, images, decodes);
}

NetworkOutputs SegmentationModel::outputs(const at::Tensor& images, const OutputOptions& wanted) {
  const auto [decoded, layers] = wanted;
  require(wanted);
  const auto result = run_checked(layers == 0 ? "decode" : features_method(layers, decoded), images, decoded);
  const size_t expected = (decoded ? 2 : 0) + (layers > 0 ? 1 : 0);
  if (result.size() < expected)
    fail("MODEL_OUTPUT", path(), ": its method gives ", result.size(), " tensors, expected ", expected,
         ". The file is no network of this kind: convert one, or mend the method where it was made");
  if (decoded) check_decoded(path(), result[0], result[1], hidden(), images);
  if (layers > 0) check_features(path(), result[decoded ? 2 : 0], images);
  const at::Tensor marks = finite_marks(result);
  if (!decoded) return {{}, {}, result.at(0), marks};
  return {result.at(0), result.at(1), layers > 0 ? result.at(2) : at::Tensor(), marks};
}

std::vector<std::string> SegmentationModel::provides() const {
  std::vector<std::string> parts;
  if (class_embed_) parts.emplace_back("decoded");
  for (const char* part : {"features", "layer_features"})
    if (has(part)) parts.emplace_back(part);
  return parts;
}

void SegmentationModel::require(const OutputOptions& wanted) const {
  const auto [decoded, layers] = wanted;
  if (layers != 0 && layers != 1 && layers != all_layers)
    fail("INVALID_ARGUMENT", "features are those of 0, 1 or ", all_layers, " layers, got ", layers);
  if (!decoded && layers == 0) fail("INVALID_ARGUMENT", "no output is wanted of the network");
  if (decoded) class_embed();
  if (layers == 0) return;
  const char* method = features_method(layers, decoded);
  if (!has(method))
    fail("MODEL_FORMAT", path(), " has no method ", method,
         "(images), which returns the backbone's features: it was converted by an earlier release, made "
         "elsewhere, or is of a kind without features of its own. Convert it again from the checkpoints, or "
         "use the backbone alone (convert --backbone)");
}

std::vector<PartTime> SegmentationModel::times(const at::Tensor& images, int64_t repeat) {
  check_images(images);
  return in_run("parts", images, [&](const at::Tensor& input) {
    const Tf32Guard mode = float32_mode();
    // A part's products are recorded as in a pass, and nobody asks.
    const Float16Range range(device());
    return part_times(modules().float16 ? *modules().float16 : running("decode"), input, runner(), repeat);
  });
}

const torch::jit::Module& SegmentationModel::class_embed() const {
  if (!class_embed_)
    fail(
        "MODEL_FORMAT", path(),
        " is a backbone without a decoder: it has no class_embed, and gives no queries and masks. Use it "
        "with a linear probe (train --head-kind linear_probe), or convert the backbone together with a head");
  return *class_embed_;
}

at::Tensor SegmentationModel::class_logits(const at::Tensor& queries) const {
  const at::Tensor weight = class_embed_weight();
  const Tf32Guard float32(weight.device(), false);
  return at::linear(queries.to(weight.device(), weight.scalar_type()), weight, class_embed_bias())
      .to(at::kFloat);
}

c10::Dict<std::string, at::Tensor> SegmentationModel::taps(const at::Tensor& images) {
  if (!module().find_method("taps")) fail("MODEL_FORMAT", path(), " has no method taps(images)");
  check_images(images);
  return c10::impl::toTypedDict<std::string, at::Tensor>(call("taps", images).toGenericDict());
}

void SegmentationModel::save_with_class_embed(const at::Tensor& weight, const at::Tensor& bias,
                                              const std::string& path) const {
  if (weight.size(1) != hidden())
    fail("HEAD_MISMATCH", "the head expects queries of width ", weight.size(1), ", but the network returns ",
         hidden());
  if (has_quantized_weights()) return with_file_weights()->save_with_class_embed(weight, bias, path);
  const StoredWeights stored(module(), stream().get());
  torch::jit::Module target = class_embed();
  const at::Tensor own_weight = class_embed_weight(), own_bias = class_embed_bias();
  const auto set = [&](const at::Tensor& w, const at::Tensor& b) {
    target.setattr("weight", w);
    target.setattr("bias", b);
  };
  const auto like = [](const at::Tensor& value, const at::Tensor& own) {
    return value.to(own.device(), own.scalar_type(), false, true);
  };
  set(like(weight, own_weight), like(bias, own_bias));
  try {
    save_archive(module(), path, origin().normalization);
  } catch (...) {
    set(own_weight, own_bias);
    throw;
  }
  set(own_weight, own_bias);
}

std::optional<ProbeValues> SegmentationModel::probe() const {
  const auto head = find_linear_head(module());
  if (!head) return std::nullopt;
  // Copies: the receiver may change them.
  const auto value = [&](const char* part, const char* name) {
    return head->attr(part).toModule().attr(name).toTensor().to(at::kCPU, at::kFloat, false, true);
  };
  return ProbeValues{value("conv", "weight").flatten(1),       value("conv", "bias"),
                     value("batchnorm_layer", "weight"),       value("batchnorm_layer", "bias"),
                     value("batchnorm_layer", "running_mean"), value("batchnorm_layer", "running_var")};
}

std::unique_ptr<SegmentationModel> SegmentationModel::with_file_weights() const {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path(), unknown))
    fail("INVALID_ARGUMENT", path(),
         " is in precision fp8 and has no file that an export could take the original weights from: load it "
         "in another precision");
  // Streamed: the weights stay in the mapped file until they are written.
  ModelPlacement on_host;
  on_host.dtype = placement().dtype;
  on_host.resident_blocks = 0;
  auto model = std::make_unique<SegmentationModel>(path(), on_host);
  if (model->id() != id())
    fail("MODEL_FORMAT", path(),
         " has changed since the network was loaded in precision fp8, and an export takes the original "
         "weights from it: load it again");
  return model;
}

void SegmentationModel::save_with_probe(const ProbeValues& probe, const std::string& path) const {
  if (has_quantized_weights()) return with_file_weights()->save_with_probe(probe, path);
  const StoredWeights stored(module(), stream().get());
  const std::string prefix = backbone_prefix;
  std::vector<NamedTensor> backbone;
  const auto add = [&](const auto& entries) {
    for (const auto& entry : entries)
      if (entry.name.starts_with(prefix)) backbone.push_back({entry.name.substr(prefix.size()), entry.value});
  };
  add(parameters_by_name());
  add(buffers_by_name());
  if (backbone.empty())
    fail("MODEL_FORMAT", this->path(), " has no backbone under ", prefix,
         "…: only a network made by convert can be exported with a linear probe");
  const c10::Device place = backbone.front().tensor.device();
  const auto here = [&](const at::Tensor& value) { return value.to(place, at::kFloat, false, true); };
  const std::string norm = std::string(linear_head_prefix) + "batchnorm_layer.";
  const std::string conv = std::string(linear_head_prefix) + "conv.";
  const std::vector<NamedTensor> head{
      {norm + "weight", here(probe.gamma)},
      {norm + "bias", here(probe.beta)},
      {norm + "running_mean", here(probe.running_mean)},
      {norm + "running_var", here(probe.running_var)},
      {norm + "num_batches_tracked", at::zeros({}, at::TensorOptions().dtype(at::kLong).device(place))},
      {conv + "weight", here(probe.weight).unsqueeze(-1).unsqueeze(-1)},
      {conv + "bias", here(probe.bias)}};
  const int64_t depth = read_backbone_dims(shapes_of(backbone)).depth;
  // Those that the probe was trained on.
  const auto layers = class_embed_ ? tapped_layers(depth) : backbone_layers(depth);
  save_archive(build_linear_segmentor(backbone, head, layers), path, origin().normalization);
}

int64_t SegmentationModel::width() const {
  const int64_t width = token_width();
  return width > 0 ? width : hidden();
}

}  // namespace dinov3_seg
