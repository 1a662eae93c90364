#include "models/init.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <string_view>

#include "core/error.h"

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
    {"class_embed.weight", 0.0, 0.0, 4.0},
};

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014).
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

InitRule rule_for(const KeyShape& key) {
  const std::string_view name = key.name;
  for (const auto& rule : rules) {
    const bool fits = rule.ending[0] == '^' ? name == rule.ending.substr(1) : name.ends_with(rule.ending);
    if (fits) return rule;
  }
  // What feeds the predictor's residual stream is small, so that a query stays itself from image to image.
  if (name.find(".predictor.") != name.npos &&
      (name.ends_with("out_proj.weight") || name.ends_with("linear2.weight"))) {
    return {"", 0.0, 0.0, 0.12};
  }
  if (key.shape.size() > 1) return {"", 0.0, 0.0, 1.0};
  if (name.ends_with("weight")) return {"", 1.0, 0.2, 0.0};
  return {"", 0.0, 0.1, 0.0};
}

at::Tensor draw(const KeyShape& key, uint64_t seed) {
  if (key.dtype != at::kFloat) return at::zeros(key.shape, key.dtype);
  at::Tensor tensor = at::empty(key.shape, at::kFloat);
  float* out = tensor.data_ptr<float>();
  const int64_t size = tensor.numel();
  if (key.name.ends_with("rope_embed.periods")) {
    for (int64_t i = 0; i < size; ++i)
      out[i] = static_cast<float>(std::pow(100.0, static_cast<double>(i) / size));
    return tensor;
  }
  if (key.name.ends_with("qkv.bias_mask")) {
    for (int64_t i = 0; i < size; ++i) out[i] = i / (size / 3) == 1 ? 0.0F : 1.0F;
    return tensor;
  }
  const InitRule rule = rule_for(key);
  const double inputs = static_cast<double>(size) / static_cast<double>(key.shape.empty() ? 1 : key.shape[0]);
  const double scale = rule.fan > 0.0 ? rule.fan * std::sqrt(3.0 / inputs) : rule.scale;
  const uint64_t start = mix(fnv1a(key.name) ^ mix(seed));
  for (int64_t i = 0; i < size; ++i) {
    const uint64_t bits = mix(start + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15) >> 40;  // 24 bits
    out[i] = static_cast<float>(rule.base + scale * (static_cast<double>(bits) / 8388608.0 - 1.0));
  }
  if (key.name.ends_with("output_convs.0.weight")) {
    // A random 3×3 kernel blurs: weight on its centre keeps the masks' edges.
    for (int64_t i = 0; i < size; ++i) out[i] *= i % 9 == 4 ? 2.6F : 0.3F;
  }
  return tensor;
}

std::vector<NamedTensor> draw_all(const std::vector<KeyShape>& keys, uint64_t seed) {
  std::vector<NamedTensor> tensors;
  tensors.reserve(keys.size());
  for (const auto& key : keys) tensors.push_back({key.name, draw(key, seed)});
  return tensors;
}

}  // namespace

SegmentorDims preset(const std::string& name) {
  SegmentorDims dims;
  dims.storage_tokens = 4;
  dims.local_cls_norm = true;
  dims.queries = 100;
  dims.classes = 151;
  if (name == "dinov3_vit7b16_ade20k_m2f") {
    dims.embed_dim = 4096;
    dims.depth = 40;
    dims.rope_periods = 32;
    dims.feed_forward_dim = 8192;
    dims.conv_inplanes = 64;
    dims.adapter_value_dim = 2048;
    dims.adapter_feed_forward_dim = 1024;
    dims.hidden_dim = 2048;
    dims.encoder_layers = 6;
    dims.encoder_feed_forward_dim = 4096;
    dims.decoder_layers = 9;
    dims.decoder_feed_forward_dim = 4096;
    return dims;
  }
  if (name == "tiny") {
    dims.embed_dim = 64;
    dims.depth = 4;
    dims.rope_periods = 8;
    dims.feed_forward_dim = 128;
    dims.conv_inplanes = 32;
    dims.adapter_value_dim = 32;
    dims.adapter_feed_forward_dim = 32;
    dims.hidden_dim = 64;
    dims.encoder_layers = 3;
    dims.encoder_feed_forward_dim = 128;
    dims.decoder_layers = 3;
    dims.decoder_feed_forward_dim = 128;
    return dims;
  }
  fail("INVALID_ARGUMENT", "Expected dinov3_vit7b16_ade20k_m2f or tiny as the name of a network, got ", name,
       ".");
}

SegmentorCheckpoint init_checkpoint(const SegmentorDims& dims, uint64_t seed) {
  return {draw_all(backbone_keys(dims), seed), draw_all(head_keys(dims), seed)};
}

}  // namespace dinov3_seg
