#include "models/presets.h"

#include <c10/util/StringUtil.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

struct Backbone {
  std::string_view name;
  std::string_view detector;  ///< the name of one with this backbone
  std::string_view alone;     ///< of the backbone as a network
  int64_t embed_dim, depth, heads, feed_forward_dim;
  FeedForward feed_forward;
  bool qkv_bias;  ///< with a mask that leaves out the keys'
};

/// As deep as the released network and narrow, for tests: 40 million parameters. Not among the names.
constexpr std::string_view deep = "deep";

/// Small enough to ship with the package: 2.7 million parameters, and 0.9 million in the detector's head.
constexpr std::string_view street_small = "street-small";
constexpr std::string_view street_small_detector = "street-small-detector";

constexpr std::array backbones{
    Backbone{"dinov3_vit7b16_ade20k_m2f", "dinov3_vit7b16_coco_detr", "dinov3_vit7b16", 4096, 40, 32, 8192,
             FeedForward::swiglu, false},
    Backbone{"dinov3_vith16plus_m2f", "dinov3_vith16plus_detr", "dinov3_vith16plus", 1280, 32, 20, 5120,
             FeedForward::swiglu, true},
    Backbone{"dinov3_vitl16_m2f", "dinov3_vitl16_detr", "dinov3_vitl16", 1024, 24, 16, 4096, FeedForward::mlp,
             true},
    Backbone{"dinov3_vitb16_m2f", "dinov3_vitb16_detr", "dinov3_vitb16", 768, 12, 12, 3072, FeedForward::mlp,
             true},
    Backbone{"dinov3_vits16plus_m2f", "dinov3_vits16plus_detr", "dinov3_vits16plus", 384, 12, 6, 1536,
             FeedForward::swiglu, true},
    Backbone{"dinov3_vits16_m2f", "dinov3_vits16_detr", "dinov3_vits16", 384, 12, 6, 1536, FeedForward::mlp,
             true},
    Backbone{"tiny", "tiny-detector", "tiny-backbone", 64, 4, 2, 128, FeedForward::swiglu, false},
    Backbone{street_small, street_small_detector, "street-small-backbone", 128, 8, 4, 128, FeedForward::mlp,
             false},
    Backbone{deep, "", "", 256, 40, 4, 512, FeedForward::swiglu, false},
};

struct EomtNetwork {
  std::string_view name, backbone;  ///< its own name, and that of a segmentor with its backbone
  int64_t queries, query_blocks;
};

constexpr std::array eomt_networks{
    EomtNetwork{"dinov3_vitl16_eomt", "dinov3_vitl16_m2f", 100, 4},
    EomtNetwork{"dinov3_vitb16_eomt", "dinov3_vitb16_m2f", 100, 3},
    EomtNetwork{"dinov3_vits16_eomt", "dinov3_vits16_m2f", 100, 3},
    EomtNetwork{"tiny-eomt", "tiny", 40, 2},
};

BackboneDims backbone_dims(const Backbone& backbone) {
  BackboneDims dims;
  dims.embed_dim = backbone.embed_dim;
  dims.depth = backbone.depth;
  dims.rope_periods = backbone.embed_dim / backbone.heads / 4;
  dims.feed_forward = backbone.feed_forward;
  dims.feed_forward_dim = backbone.feed_forward_dim;
  dims.qkv_bias = dims.qkv_bias_mask = backbone.qkv_bias;
  dims.local_cls_norm = !backbone.qkv_bias;
  dims.storage_tokens = 4;
  return dims;
}

[[noreturn]] void fail_unknown(const std::string& name, const std::vector<std::string>& known) {
  fail("INVALID_ARGUMENT", "Unknown network ", name, "; expected one of ", c10::Join(", ", known), ".");
}

/// The backbone whose network of a kind (Backbone::name, detector or alone) has that name; null for others.
const Backbone* find_backbone(std::string_view Backbone::* kind, std::string_view name) {
  const auto* const found = std::find_if(backbones.begin(), backbones.end(), [&](const Backbone& each) {
    return !name.empty() && each.*kind == name;
  });
  return found == backbones.end() ? nullptr : found;
}

/// Names of the networks of a kind.
std::vector<std::string> names_of(std::string_view Backbone::* kind) {
  std::vector<std::string> names;
  for (const Backbone& backbone : backbones)
    if (!(backbone.*kind).empty() && backbone.*kind != deep) names.emplace_back(backbone.*kind);
  return names;
}

void set_head(SegmentorDims& dims, int64_t hidden, int64_t encoder_layers, int64_t decoder_layers) {
  dims.hidden_dim = hidden;
  dims.encoder_layers = encoder_layers;
  dims.encoder_feed_forward_dim = 2 * hidden;
  dims.decoder_layers = decoder_layers;
  dims.decoder_feed_forward_dim = 2 * hidden;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct DetectorHead {
  int64_t hidden, heads, bias, encoder_layers, decoder_layers, feed_forward, stored_queries;
};

void set_detector_head(DetectorDims& dims, const DetectorHead& head) {
  dims.hidden_dim = head.hidden;
  dims.heads = head.heads;
  dims.bias_dim = head.bias;
  dims.encoder_layers = head.encoder_layers;
  dims.decoder_layers = head.decoder_layers;
  dims.encoder_feed_forward_dim = dims.decoder_feed_forward_dim = head.feed_forward;
  dims.stored_queries = head.stored_queries;
}

}  // namespace

SegmentorDims preset(const std::string& name) {
  const Backbone* backbone = find_backbone(&Backbone::name, name);
  if (!backbone) {
    std::vector<std::string> names = preset_names();
    for (const auto& others : {eomt_preset_names(), backbone_preset_names()})
      names.insert(names.end(), others.begin(), others.end());
    fail_unknown(name, names);
  }
  SegmentorDims dims;
  static_cast<BackboneDims&>(dims) = backbone_dims(*backbone);
  dims.queries = 100;
  dims.classes = 151;
  dims.conv_inplanes = 64;
  dims.adapter_value_dim = dims.embed_dim / 2;
  dims.adapter_feed_forward_dim = dims.embed_dim / 4;
  set_head(dims, 2048, 6, 9);
  if (name == "tiny") {
    dims.conv_inplanes = 32;
    dims.adapter_feed_forward_dim = 32;
    set_head(dims, 64, 3, 3);
  }
  if (name == street_small) {
    dims.queries = 48;
    dims.conv_inplanes = 32;
    set_head(dims, 128, 2, 3);
    dims.encoder_feed_forward_dim = dims.decoder_feed_forward_dim = 128;
  }
  if (name == deep) set_head(dims, 256, 6, 9);
  return dims;
}

std::vector<std::string> preset_names() { return names_of(&Backbone::name); }

EomtDims eomt_preset(const std::string& name) {
  for (const EomtNetwork& network : eomt_networks) {
    if (network.name != name) continue;
    EomtDims dims;
    static_cast<BackboneDims&>(dims) = preset(std::string(network.backbone));
    dims.queries = network.queries;
    dims.query_blocks = network.query_blocks;
    dims.upscale_blocks = 2;
    dims.classes = 151;
    return dims;
  }
  fail_unknown(name, eomt_preset_names());
}

std::vector<std::string> eomt_preset_names() {
  std::vector<std::string> names;
  for (const EomtNetwork& network : eomt_networks) names.emplace_back(network.name);
  return names;
}

bool is_eomt_preset(const std::string& name) { return contains(eomt_preset_names(), name); }

DetectorDims detector_preset(const std::string& name) {
  const Backbone* backbone = find_backbone(&Backbone::detector, name);
  if (!backbone) fail_unknown(name, detector_preset_names());
  DetectorDims dims;
  static_cast<BackboneDims&>(dims) = backbone_dims(*backbone);
  dims.classes = 91;
  set_detector_head(dims, {768, 8, 512, 6, 6, 2048, 3000});
  if (name == "tiny-detector") set_detector_head(dims, {64, 8, 48, 2, 2, 128, 60});
  if (name == street_small_detector) set_detector_head(dims, {96, 4, 48, 2, 3, 192, 200});
  return dims;
}

std::vector<std::string> detector_preset_names() { return names_of(&Backbone::detector); }

bool is_detector_preset(const std::string& name) { return contains(detector_preset_names(), name); }

BackboneNetworkDims backbone_preset(const std::string& name) {
  const Backbone* backbone = find_backbone(&Backbone::alone, name);
  if (!backbone) fail_unknown(name, backbone_preset_names());
  BackboneNetworkDims dims;
  static_cast<BackboneDims&>(dims) = backbone_dims(*backbone);
  return dims;
}

std::vector<std::string> backbone_preset_names() { return names_of(&Backbone::alone); }

bool is_backbone_preset(const std::string& name) { return contains(backbone_preset_names(), name); }

}  // namespace dinov3_seg
