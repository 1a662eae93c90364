#include "models/segmentation_model.h"

#include <ATen/ATen.h>

#include <optional>
#include <utility>

#include "core/error.h"
#include "models/archive.h"
#include "models/cast.h"

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

torch::jit::Module load_cast(const std::string& path, const ModelPlacement& placement) {
  torch::jit::Module module = load_archive(path, placement.device);
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

SegmentationModel::SegmentationModel(NetworkOrigin origin, torch::jit::Module module,
                                     const ModelPlacement& placement)
    : NetworkModule(std::move(origin), std::move(module), placement, {"forward", "decode"},
                    {"forward", "decode", "decode_with_features", "features", "taps"}, "a network"),
      class_embed_(find_class_embed(this->module(), this->path())) {}

/// A method's results for images of a size that the network takes.
CudaGraphRunner::Tensors SegmentationModel::run_checked(const char* method, const at::Tensor& images) {
  check_images(images);
  return run(method, images);
}

NetworkOutputs SegmentationModel::outputs(const at::Tensor& images, bool decoded, bool features) {
  const char* method = !features ? "decode" : decoded ? "decode_with_features" : "features";
  if (features) require_features(method);
  const auto result = run_checked(method, images);
  if (!decoded) return {{}, {}, result.at(0)};
  return {result.at(0), result.at(1), features ? result.at(2) : at::Tensor()};
}

std::vector<PartTime> SegmentationModel::times(const at::Tensor& images, int64_t repeat) {
  check_images(images);
  return in_run("parts", images,
                [&](const at::Tensor& input) { return part_times(module(), input, runner(), repeat); });
}

void SegmentationModel::require_features(const char* method) const {
  if (!module().find_method(method))
    fail("MODEL_FORMAT", path(), " has no method ", method,
         "(images), which returns the backbone's features: it was converted by an earlier release or made "
         "elsewhere. "
         "Convert it again from the checkpoints");
}

at::Tensor SegmentationModel::class_logits(const at::Tensor& queries) const {
  const at::Tensor weight = class_embed_weight();
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
  torch::jit::Module target = class_embed_;
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

int64_t SegmentationModel::width() const {
  const int64_t width = parameter_size("patch_embed.proj.weight", 0);
  return width > 0 ? width : hidden();
}

}  // namespace dinov3_seg
