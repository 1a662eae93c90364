#include "models/plan.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "core/dtype_names.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

std::string to_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "") << shape[i];
  text << ']';
  return text.str();
}

/// Looks shapes up by name and says what a missing one would have told.
class ShapeTable {
 public:
  ShapeTable(std::string what, const std::vector<KeyShape>& keys) : what_(std::move(what)) {
    for (const auto& key : keys) shapes_.emplace(key.name, &key.shape);
  }

  bool has(const std::string& name) const { return shapes_.contains(name); }

  /// Size of one dimension of a key that must be there with that many dimensions.
  int64_t size(const std::string& name, std::size_t rank, std::size_t dimension) const {
    const auto found = shapes_.find(name);
    if (found == shapes_.end()) {
      fail("CHECKPOINT_KEYS", "The ", what_, " has no key ", name, " (it has ", shapes_.size(),
           " keys). Is this a DINOv3 ", what_, " file, and was it given as --", what_, "?");
    }
    const auto& shape = *found->second;
    if (shape.size() != rank) {
      fail("CHECKPOINT_KEYS", "Expected ", name, " of the ", what_, " to have ", rank,
           " dimensions, got shape ", to_text(shape), ".");
    }
    return shape[dimension];
  }

  /// One more than the highest N of a key `<before>N<leaf>`: the number of children, gaps included, so that a
  /// child that lacks its leaf is reported as such. Numbers beyond the number of keys count nothing.
  int64_t count(const std::string& before, const std::string& leaf) const {
    for (auto n = static_cast<int64_t>(shapes_.size()); n > 0; --n) {
      if (has(before + std::to_string(n - 1) + leaf)) return n;
    }
    return 0;
  }

 private:
  std::string what_;
  std::unordered_map<std::string, const std::vector<int64_t>*> shapes_;
};

void read_backbone(const ShapeTable& keys, SegmentorDims& dims) {
  dims.embed_dim = keys.size("patch_embed.proj.weight", 4, 0);
  dims.depth = keys.count("blocks.", ".norm1.weight");
  dims.storage_tokens = keys.has("storage_tokens") ? keys.size("storage_tokens", 3, 1) : 0;
  dims.rope_periods = keys.size("rope_embed.periods", 1, 0);
  dims.feed_forward = keys.has("blocks.0.mlp.w1.weight") ? FeedForward::swiglu : FeedForward::mlp;
  dims.feed_forward_dim = dims.feed_forward == FeedForward::swiglu
                              ? keys.size("blocks.0.mlp.w1.weight", 2, 0)
                              : keys.size("blocks.0.mlp.fc1.weight", 2, 0);
  dims.qkv_bias = keys.has("blocks.0.attn.qkv.bias");
  dims.qkv_bias_mask = keys.has("blocks.0.attn.qkv.bias_mask");
  dims.local_cls_norm = keys.has("local_cls_norm.weight");
  if (dims.depth < 4) {
    fail("CHECKPOINT_KEYS", "Expected a backbone of at least 4 blocks, got ", dims.depth,
         ": the adapter taps four of them. Is the file complete?");
  }
  if (dims.rope_periods < 1 || dims.embed_dim % (4 * dims.rope_periods) != 0) {
    fail("CHECKPOINT_KEYS", "The backbone's width ", dims.embed_dim, " is no multiple of its head width ",
         4 * dims.rope_periods, " (4 x the length of rope_embed.periods).");
  }
}

void read_head(const ShapeTable& keys, SegmentorDims& dims) {
  const std::string adapter = "segmentation_model.0.";
  const std::string decoder = "segmentation_model.1.pixel_decoder.";
  const std::string predictor = "segmentation_model.1.predictor.";
  const std::string extractor = adapter + "interactions.0.extractor.";
  dims.conv_inplanes = keys.size(adapter + "spm.stem.0.weight", 4, 0);
  const int64_t head_width = keys.size(adapter + "spm.fc1.weight", 4, 0);
  if (head_width != dims.embed_dim) {
    fail("HEAD_MISMATCH", "The head was made for a backbone of width ", head_width,
         ", this backbone's width is ", dims.embed_dim, ". Give the head that was trained on this backbone.");
  }
  dims.adapter_value_dim = keys.size(extractor + "attn.value_proj.weight", 2, 0);
  dims.adapter_feed_forward_dim = keys.size(extractor + "ffn.fc1.weight", 2, 0);
  dims.hidden_dim = keys.size(decoder + "mask_feature.weight", 4, 0);
  dims.encoder_layers = keys.count(decoder + "encoder.encoder.layers.", ".norm1.weight");
  dims.encoder_feed_forward_dim = keys.size(decoder + "encoder.encoder.layers.0.linear1.weight", 2, 0);
  dims.queries = keys.size(predictor + "query_feat.weight", 2, 0);
  dims.decoder_layers = keys.count(predictor + "transformer_ffn_layers.", ".norm.weight");
  dims.decoder_feed_forward_dim = keys.size(predictor + "transformer_ffn_layers.0.linear1.weight", 2, 0);
  dims.classes = keys.size(predictor + "class_embed.weight", 2, 0);
  if (dims.adapter_value_dim % attention_heads != 0 || dims.hidden_dim % norm_groups != 0 ||
      dims.hidden_dim < norm_groups) {
    fail("CHECKPOINT_KEYS", "The head's widths do not fit ", attention_heads, " heads and ", norm_groups,
         " groups: attention values of width ", dims.adapter_value_dim, ", hidden width ", dims.hidden_dim,
         ".");
  }
}

/// "missing (2): a [1, 2], b [3]" with 20 entries at most.
void append_list(std::ostringstream& text, const char* title, const std::vector<std::string>& entries) {
  constexpr std::size_t shown = 20;
  if (entries.empty()) return;
  text << "\n" << title << " (" << entries.size() << "):";
  for (std::size_t i = 0; i < std::min(entries.size(), shown); ++i) text << "\n  " << entries[i];
  if (entries.size() > shown) text << "\n  and " << entries.size() - shown << " more";
}

}  // namespace

std::vector<KeyShape> shapes_of(const std::vector<NamedTensor>& tensors) {
  std::vector<KeyShape> shapes;
  shapes.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors)
    shapes.push_back({name, tensor.sizes().vec(), tensor.scalar_type()});
  return shapes;
}

SegmentorDims read_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  SegmentorDims dims;
  read_backbone(ShapeTable("backbone", backbone), dims);
  read_head(ShapeTable("head", head), dims);
  return dims;
}

void check_keys(const std::string& what, const std::vector<KeyShape>& expected,
                const std::vector<KeyShape>& given) {
  std::unordered_map<std::string_view, const KeyShape*> by_name;
  std::vector<std::string> missing, superfluous, repeated, misshapen;
  for (const auto& key : given) {
    if (!by_name.emplace(key.name, &key).second) repeated.push_back(key.name);
  }
  std::unordered_map<std::string_view, bool> wanted;
  for (const auto& key : expected) {
    wanted.emplace(key.name, true);
    const auto found = by_name.find(key.name);
    if (found == by_name.end()) {
      missing.push_back(key.name + " " + to_text(key.shape));
      continue;
    }
    const KeyShape& got = *found->second;
    if (got.shape != key.shape) {
      misshapen.push_back(key.name + ": expected " + to_text(key.shape) + ", got " + to_text(got.shape));
    } else if (c10::isFloatingType(got.dtype) != c10::isFloatingType(key.dtype)) {
      misshapen.push_back(key.name + ": expected dtype " + dtype_name(key.dtype) + ", got " +
                          dtype_name(got.dtype));
    }
  }
  for (const auto& key : given) {
    if (!wanted.contains(key.name)) superfluous.push_back(key.name + " " + to_text(key.shape));
  }
  if (missing.empty() && superfluous.empty() && repeated.empty() && misshapen.empty()) return;
  std::ostringstream text;
  text << "The " << what << " does not hold the keys of a DINOv3 segmentor: expected " << expected.size()
       << " keys, got " << given.size() << ".";
  append_list(text, "Missing", missing);
  append_list(text, "Superfluous", superfluous);
  append_list(text, "Repeated", repeated);
  append_list(text, "Of another shape", misshapen);
  text << "\nGive the file as released; `inspect` lists what a file holds.";
  fail("CHECKPOINT_KEYS", text.str());
}

ParameterCounts count_parameters(const SegmentorDims& dims, int64_t classes) {
  SegmentorDims with_classes = dims;
  with_classes.classes = classes;
  ParameterCounts counts;
  const auto size = [](const KeyShape& key) {
    int64_t n = 1;
    for (const int64_t extent : key.shape) n *= extent;
    return key.buffer ? 0 : n;
  };
  for (const auto& key : backbone_keys(with_classes)) counts.backbone += size(key);
  for (const auto& key : head_keys(with_classes)) {
    int64_t& part = key.name.starts_with(class_embed_prefix)                  ? counts.trained
                    : key.name.starts_with("segmentation_model.1.predictor.") ? counts.predictor
                    : key.name.starts_with("segmentation_model.1.")           ? counts.pixel_decoder
                                                                              : counts.adapter;
    part += size(key);
  }
  return counts;
}

std::vector<int64_t> tapped_layers(int64_t depth) {
  if (depth == 24) return {4, 11, 17, 23};
  const int64_t interval = depth / 4;
  return {interval - 1, 2 * interval - 1, 3 * interval - 1, 4 * interval - 1};
}

}  // namespace dinov3_seg
