#include "training/training_init.h"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "models/init.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

constexpr double pi = 3.141592653589793;
/// Of a probability of 1 % (Lin et al. 2017, section 3.3).
constexpr double rare_logit = -4.59511985;

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

/// Offsets (x, y) of heads × levels × points: a direction a head, a pixel further with each point.
at::Tensor directions(int64_t size) {
  at::Tensor offsets = at::empty({size}, at::kFloat);
  auto* out = offsets.mutable_data_ptr<float>();
  const int64_t levels = size / (2 * attention_heads * sampling_points);
  for (int64_t head = 0; head < attention_heads; ++head) {
    const double angle = 2 * pi * static_cast<double>(head) / attention_heads;
    const double x = std::cos(angle), y = std::sin(angle), most = std::max(std::abs(x), std::abs(y));
    for (int64_t level = 0; level < levels; ++level)
      for (int64_t point = 0; point < sampling_points; ++point) {
        *out++ = static_cast<float>(x / most * static_cast<double>(point + 1));
        *out++ = static_cast<float>(y / most * static_cast<double>(point + 1));
      }
  }
  return offsets;
}

/// Standard deviation of what is drawn.
double deviation(const KeyShape& key) {
  const std::string_view name = key.name;
  if (ends_with_any(name, {"query_feat.weight", "query_embed.weight", "level_embed.weight"})) return 1.0;
  if (ends_with_any(name, {"level_embed", "level_encoding"})) return 1.0;
  if (ends_with_any(name, {"_token", "storage_tokens", "class_embed.weight"})) return 0.02;
  if (name.starts_with("class_embed.")) return 0.02;
  // Of pixels between places and a box's edges: tens come in, and about 1 is to go out.
  if (ends_with_any(name, {"cpb_mlp1.0.weight", "cpb_mlp2.0.weight"})) return 1.0 / 32;
  const auto size = static_cast<double>(c10::multiply_integers(key.shape));
  // A transposed convolution holds its inputs first, and each output sees one place of the kernel.
  const double inputs = name.ends_with("up.weight") ? static_cast<double>(key.shape[0])
                                                    : size / static_cast<double>(key.shape[0]);
  const bool rectified = key.shape.size() == 4 && key.shape[2] == 3;
  // What a detector's layers add to their tokens is to be small beside them at first.
  const bool added = name.starts_with("transformer.") &&
                     ends_with_any(name, {"out_proj.weight", "cross_attn.proj.weight", "linear2.weight"});
  return (added ? 0.3 : 1.0) * std::sqrt((rectified ? 2.0 : 1.0) / inputs);
}

}  // namespace

at::Tensor initial_weights(const KeyShape& key, uint64_t seed) {
  const std::string_view name = key.name;
  if (key.dtype != at::kFloat || ends_with_any(name, {"rope_embed.periods", "qkv.bias_mask"}))
    return draw_tensor(key, {seed, c10::kCPU});
  const auto filled = [&](double value) { return at::full(key.shape, value, at::kFloat); };
  if (name.ends_with("running_var")) return filled(1);
  if (name.ends_with(".gamma")) return filled(0.3);
  if (name.ends_with("sampling_offsets.bias")) return directions(key.shape[0]);
  if (ends_with_any(name, {"sampling_offsets.weight", "attention_weights.weight"})) return filled(0);
  // A detector begins with boxes as they are proposed, and each is hardly anything.
  if (name.starts_with("bbox_embed.") && name.find(".layers.2.") != name.npos) return filled(0);
  if (name.starts_with("class_embed.") && name.ends_with("bias")) return filled(rare_logit);
  // Attention that falls off with the distance from a box. With weights of both signs some heads would look
  // to the far edges at first, whence a decoder's softmax finds back late.
  if (ends_with_any(name, {"cpb_mlp1.2.weight", "cpb_mlp2.2.weight"})) {
    const double half = 9.0 / static_cast<double>(key.shape[1]);
    return random_tensor(key.shape, {-half, half, random_start(key.name, seed)}, c10::kCPU);
  }
  const bool embedding = ends_with_any(name, {"level_embed", "level_encoding", "_token", "storage_tokens"});
  if (key.shape.size() < 2 && !embedding) return filled(name.ends_with("weight") ? 1 : 0);
  // Uniform numbers of that deviation.
  const RandomRule rule{0.0, deviation(key) * std::sqrt(3.0), random_start(key.name, seed)};
  return random_tensor(key.shape, rule, c10::kCPU);
}

}  // namespace dinov3_seg
