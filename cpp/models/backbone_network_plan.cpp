#include "models/backbone_network_plan.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "models/key_list.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

bool has_only_linear_head(const std::vector<KeyShape>& head) {
  const std::string prefix = linear_head_prefix;
  return std::all_of(head.begin(), head.end(), [&](const KeyShape& key) {
    return key.name.starts_with(prefix + "batchnorm_layer.") || key.name.starts_with(prefix + "conv.");
  });
}

BackboneNetworkDims read_backbone_network_dims(const std::vector<KeyShape>& backbone,
                                               const std::vector<KeyShape>& head) {
  BackboneNetworkDims dims;
  static_cast<BackboneDims&>(dims) = read_backbone_dims(backbone);
  if (head.empty()) return dims;
  const ShapeTable keys("head", head);
  const std::string weight = std::string(linear_head_prefix) + "conv.weight";
  const int64_t width = keys.size(weight, 4, 1);
  dims.classes = keys.size(weight, 4, 0);
  dims.head_layers = width == dims.embed_dim ? 1 : 4;
  if (width != dims.head_layers * dims.embed_dim) {
    fail("HEAD_MISMATCH", "The linear head was made for features of width ", width,
         ", but this backbone's width is ", dims.embed_dim, " (", 4 * dims.embed_dim,
         " with four layers). Give a head trained on this backbone.");
  }
  return dims;
}

BackboneNetworkDims checked_backbone_network_dims(const std::vector<KeyShape>& backbone,
                                                  const std::vector<KeyShape>& head) {
  const BackboneNetworkDims dims = read_backbone_network_dims(backbone, head);
  check_keys("backbone", "backbone", backbone_keys(dims), backbone);
  check_keys("head", "linear head", linear_head_keys(dims), head);
  return dims;
}

std::vector<KeyShape> linear_head_keys(const BackboneNetworkDims& dims) {
  std::vector<KeyShape> keys;
  if (dims.classes == 0) return keys;
  const int64_t width = dims.head_layers * dims.embed_dim;
  const KeyList head(keys, linear_head_prefix);
  head.batch_norm("batchnorm_layer", width);
  head.parameter("conv.weight", {dims.classes, width, 1, 1});
  head.parameter("conv.bias", {dims.classes});
  return keys;
}

std::vector<int64_t> backbone_layers(int64_t depth) {
  std::vector<int64_t> layers = tapped_layers(depth);
  layers.back() = depth - 1;
  return layers;
}

}  // namespace dinov3_seg
