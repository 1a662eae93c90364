#include "models/init.h"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/available_memory.h"
#include "core/job_control.h"
#include "models/builder.h"
#include "models/deferred_tensors.h"
#include "models/presets.h"
#include "models/streamed_archive.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

/// How a tensor is drawn: `base + scale·v` with v uniform in [-1, 1), or with scale = fan·√(3/n) for n inputs
/// an output, which gives outputs of about fan times the inputs' size.
struct InitRule {
  std::string_view ending;  ///< of the key, or after a ^ the whole key; the first rule that fits decides
  double base;
  double scale;
  double fan;
};

constexpr InitRule rules[] = {
    {".running_mean", 0.0, 0.1, 0.0},
    {".running_var", 1.0, 0.3, 0.0},
    {".gamma", 0.5, 0.2, 0.0},
    // A few pixels of the level that is sampled, around each position.
    {"sampling_offsets.bias", 0.0, 2.0, 0.0},
    {"sampling_offsets.weight", 0.0, 0.0, 0.15},
    {"_token", 0.0, 1.0, 0.0},
    {"storage_tokens", 0.0, 1.0, 0.0},
    {"query_feat.weight", 0.0, 1.5, 0.0},
    {"query_embed.weight", 0.0, 1.5, 0.0},
    {"^segmentation_model.1.query.weight", 0.0, 1.5, 0.0},
    {"level_embed.weight", 0.0, 1.5, 0.0},
    {"level_embed", 0.0, 1.5, 0.0},
    {"level_encoding", 0.0, 1.5, 0.0},
    // Untrained, colour and place tell more than anything else: the masks are to follow the fine map of the
    // spatial prior more than what is upsampled onto it.
    {"spm.fc1.weight", 0.0, 0.0, 8.0},
    {"^segmentation_model.0.up.weight", 0.0, 0.0, 0.1},
    {"^norm.weight", 0.3, 0.06, 0.0},
    {"lateral_convs.0.norm.weight", 2.0, 0.4, 0.0},
    {"mask_embed.layers.0.weight", 0.0, 0.0, 1.6},
    {"mask_embed.layers.1.weight", 0.0, 0.0, 1.6},
    {"mask_head.fc1.weight", 0.0, 0.0, 1.6},
    {"mask_head.fc2.weight", 0.0, 0.0, 1.6},
    {"mask_head.fc3.weight", 0.0, 0.0, 1.6},
    {"class_embed.weight", 0.0, 0.0, 4.0},
    // Of boxes and places in pixels: hundreds come in, and about 1 is to go out.
    {"cpb_mlp1.0.weight", 0.0, 0.0, 0.01},
    {"cpb_mlp2.0.weight", 0.0, 0.0, 0.01},
};

/// Of a detector's classes: nearly all boxes are of none.
InitRule detector_class_rule(std::string_view name) {
  return name.ends_with("weight") ? InitRule{"", 0.0, 0.0, 1.5} : InitRule{"", -4.0, 0.1, 0.0};
}

InitRule rule_for(const KeyShape& key) {
  const std::string_view name = key.name;
  for (const auto& rule : rules) {
    const bool fits = rule.ending[0] == '^' ? name == rule.ending.substr(1) : name.ends_with(rule.ending);
    if (fits) return rule;
  }
  if (name.starts_with("class_embed.")) return detector_class_rule(name);
  if (name.starts_with("bbox_embed.") && name.find(".layers.2.") != name.npos)
    return name.ends_with("weight") ? InitRule{"", 0.0, 0.0, 0.2} : InitRule{"", 0.0, 0.02, 0.0};
  // What feeds the predictor's residual stream is small, so that a query stays itself from image to image.
  if (name.find(".predictor.") != name.npos &&
      (name.ends_with("out_proj.weight") || name.ends_with("linear2.weight"))) {
    return {"", 0.0, 0.0, 0.12};
  }
  if (key.shape.size() > 1) return {"", 0.0, 0.0, 1.0};
  if (name.ends_with("weight")) return {"", 1.0, 0.2, 0.0};
  return {"", 0.0, 0.1, 0.0};
}

/// What takes rectified values, whose mean is far from 0: in a wide network the mean would drown what differs
/// from pixel to pixel and from query to query, and the masks would be all full or all empty.
constexpr std::string_view after_relu[] = {"spm.fc1.weight", "mask_feature.weight",
                                           "mask_embed.layers.1.weight", "mask_embed.layers.2.weight"};
/// Outputs from which on a network counts as wide.
constexpr int64_t wide = 128;

bool is_balanced(const KeyShape& key) {
  return key.shape.size() > 1 && key.shape[0] >= wide && key.shape[1] % 2 == 0 &&
         std::any_of(std::begin(after_relu), std::end(after_relu),
                     [&](std::string_view ending) { return key.name.ends_with(ending); });
}

/// Values that no rule draws; undefined for other keys.
at::Tensor fixed_values(const KeyShape& key) {
  if (key.dtype != at::kFloat || key.name.ends_with("attn_mask_probs"))
    return at::zeros(key.shape, key.dtype);
  const bool periods = key.name.ends_with("rope_embed.periods");
  if (!periods && !key.name.ends_with("qkv.bias_mask")) return {};
  at::Tensor tensor = at::empty(key.shape, at::kFloat);
  float* out = tensor.mutable_data_ptr<float>();
  const int64_t size = tensor.numel();
  for (int64_t i = 0; i < size; ++i) {
    if (periods)
      out[i] = static_cast<float>(std::pow(100.0, static_cast<double>(i) / size));
    else
      out[i] = i / (size / 3) == 1 ? 0.0F : 1.0F;
  }
  return tensor;
}

/// Of EoMT's upscale blocks: what a place becomes is nearly the same in its four pixels, and what follows
/// blurs, so that the masks follow the patches instead of a pattern of the weights.
void smooth_upscale(const KeyShape& key, const at::Tensor& tensor) {
  if (key.name.ends_with(".conv1.weight")) {
    const at::Tensor first = tensor.slice(2, 0, 1).slice(3, 0, 1).clone();
    tensor.mul_(0.2F).add_(first);
  } else if (key.name.ends_with(".conv2.weight")) {
    tensor.mul_(0.05F).add_(0.11F);
  }
}

/// What `place` gives for each key of one of the two files. A key that repeats another has its tensor.
template <typename Place>
std::vector<NamedTensor> place_all(const std::vector<KeyShape>& keys, const Place& place) {
  std::unordered_map<std::string_view, at::Tensor> placed;
  for (const auto& key : keys)
    if (key.repeats.empty()) placed.emplace(key.name, place(key));
  std::vector<NamedTensor> tensors;
  tensors.reserve(keys.size());
  for (const auto& key : keys)
    tensors.push_back({key.name, placed.at(key.repeats.empty() ? key.name : key.repeats)});
  return tensors;
}

/// Bytes of all tensors of keys stored in `dtype`.
uint64_t stored_bytes(const std::vector<KeyShape>& keys, at::ScalarType dtype) {
  uint64_t bytes = 0;
  for (const auto& key : keys)
    if (key.repeats.empty())
      bytes += static_cast<uint64_t>(c10::multiply_integers(key.shape)) *
               c10::elementSize(stored_dtype(key, dtype));
  return bytes;
}

}  // namespace

at::Tensor draw_tensor(const KeyShape& key, const Randomness& random, RandomPath path) {
  const at::Tensor fixed = fixed_values(key);
  if (fixed.defined()) return fixed.to(random.device);
  const InitRule rule = rule_for(key);
  const int64_t size = c10::multiply_integers(key.shape);
  const double inputs = static_cast<double>(size) / static_cast<double>(key.shape.empty() ? 1 : key.shape[0]);
  const double scale = rule.fan > 0.0 ? rule.fan * std::sqrt(3.0 / inputs) : rule.scale;
  const RandomRule numbers{rule.base, scale, random_start(key.name, random.seed)};
  at::Tensor tensor = random_tensor(key.shape, numbers, random.device, path);
  if (key.name.ends_with("output_convs.0.weight")) {
    // A random 3×3 kernel blurs: weight on its centre keeps the masks' edges.
    at::Tensor kernel = at::full({9}, 0.3F, at::kFloat);
    kernel[4] = 2.6F;
    tensor.mul_(kernel.view({3, 3}).to(random.device));
  }
  if (key.name.starts_with("segmentation_model.1.upscale.")) smooth_upscale(key, tensor);
  if (is_balanced(key)) {
    // Of two neighbouring inputs one weighs what the other does, negated: what they have in common cancels.
    const at::Tensor pairs = tensor.view({-1, 2});
    pairs.select(1, 1).copy_(pairs.select(1, 0)).neg_();
  }
  return tensor;
}

NetworkShape network_shape(const SegmentorDims& dims) {
  return {backbone_keys(dims), head_keys(dims), build_segmentor};
}

NetworkShape network_shape(const DetectorDims& dims) {
  return {backbone_keys(dims), detector_head_keys(dims), build_detector};
}

NetworkShape network_shape(const EomtDims& dims) {
  return {backbone_keys(dims), eomt_head_keys(dims), build_eomt};
}

NetworkShape network_shape(const BackboneNetworkDims& dims) {
  return {backbone_keys(dims), linear_head_keys(dims), build_backbone};
}

NetworkShape segmentation_shape(const std::string& architecture) {
  if (is_backbone_preset(architecture)) return network_shape(backbone_preset(architecture));
  if (is_eomt_preset(architecture)) return network_shape(eomt_preset(architecture));
  return network_shape(preset(architecture));
}

NetworkShape network_shape(const std::string& architecture) {
  return is_detector_preset(architecture) ? network_shape(detector_preset(architecture))
                                          : segmentation_shape(architecture);
}

NetworkCheckpoint init_checkpoint(const NetworkShape& shape, uint64_t seed) {
  const auto draw = [&](const KeyShape& key) { return draw_tensor(key, {seed, c10::kCPU}); };
  return {place_all(shape.backbone, draw), place_all(shape.head, draw)};
}

torch::jit::Module init_network(const NetworkShape& shape, at::ScalarType dtype, const Randomness& random,
                                const std::vector<NamedTensor>& backbone) {
  const uint64_t total =
      stored_bytes(shape.head, dtype) + (backbone.empty() ? stored_bytes(shape.backbone, dtype) : 0);
  say_doing("Drawing random weights");
  require_memory(random.device, total, "A network of this shape",
                 dtype == at::kBFloat16 ? "Choose another device or a smaller --arch"
                                        : "Choose --dtype bfloat16, another device or a smaller --arch");
  uint64_t done = 0;
  const auto draw = [&](const KeyShape& key) {
    check_cancelled();
    const at::Tensor tensor = apply_dtype(key, draw_tensor(key, random), dtype);
    done += tensor.nbytes();
    report_progress(done, total);
    return tensor;
  };
  const auto cast = [](const std::string&, const at::Tensor& tensor, at::ScalarType stored) {
    return is_quantized(tensor) ? tensor : tensor.to(stored);
  };
  return shape.build(backbone.empty() ? place_all(shape.backbone, draw) : backbone,
                     place_all(shape.head, draw), dtype, cast);
}

void write_random_network(const NetworkShape& shape, at::ScalarType dtype, const Randomness& random,
                          const std::string& path) {
  DeferredTensors deferred;
  const auto place = [&](const KeyShape& key) {
    const auto options = at::TensorOptions().dtype(stored_dtype(key, dtype)).device(at::kMeta);
    return deferred.add(at::empty(key.shape, options),
                        [key, dtype, random] { return apply_dtype(key, draw_tensor(key, random), dtype); });
  };
  const auto module =
      shape.build(place_all(shape.backbone, place), place_all(shape.head, place), dtype, cast_now);
  save_streamed(module, deferred, path);
}

}  // namespace dinov3_seg
