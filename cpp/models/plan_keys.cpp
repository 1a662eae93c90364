// The key lists of a segmentor, in the order of the released files.

#include "models/plan.h"

namespace dinov3_seg {
namespace {

enum class Bias { none, yes };

/// Collects keys under a prefix, one method for each kind of layer.
class KeyList {
 public:
  /// What add…() below are to mark as computed in bfloat16 by the reference: linears and convolutions, unless
  /// they run with autocast off.
  explicit KeyList(std::vector<KeyShape>& keys, std::string prefix = "", bool autocast = true)
      : keys_(keys), prefix_(std::move(prefix)), autocast_(autocast) {}

  KeyList under(const std::string& name) const { return KeyList(keys_, prefix_ + name + ".", autocast_); }
  KeyList under(int64_t index) const { return under(std::to_string(index)); }

  void parameter(const std::string& name, std::vector<int64_t> shape) const {
    add(name, std::move(shape), false);
  }
  void buffer(const std::string& name, std::vector<int64_t> shape, at::ScalarType dtype = at::kFloat) const {
    keys_.push_back({prefix_ + name, std::move(shape), dtype, true, false});
  }
  void linear(const std::string& name, int64_t out, int64_t in, Bias bias = Bias::yes) const {
    add(name + ".weight", {out, in}, autocast_);
    if (bias == Bias::yes) add(name + ".bias", {out}, autocast_);
  }
  void conv(const std::string& name, int64_t out, int64_t in, int64_t kernel, Bias bias = Bias::yes) const {
    add(name + ".weight", {out, in, kernel, kernel}, autocast_);
    if (bias == Bias::yes) add(name + ".bias", {out}, autocast_);
  }
  void norm(const std::string& name, int64_t width) const {
    add(name + ".weight", {width}, false);
    add(name + ".bias", {width}, false);
  }
  void batch_norm(const std::string& name, int64_t width) const {
    norm(name, width);
    buffer(name + ".running_mean", {width});
    buffer(name + ".running_var", {width});
    buffer(name + ".num_batches_tracked", {}, at::kLong);
  }
  void deformable_attention(const std::string& name, int64_t width, int64_t value_width,
                            int64_t levels) const {
    const int64_t samples = attention_heads * levels * sampling_points;
    const KeyList inner = under(name);
    inner.linear("sampling_offsets", 2 * samples, width);
    inner.linear("attention_weights", samples, width);
    inner.linear("value_proj", value_width, width);
    inner.linear("output_proj", width, value_width);
  }
  void attention(const std::string& name, int64_t width) const {
    const KeyList inner = under(name);
    inner.add("in_proj_weight", {3 * width, width}, autocast_);
    inner.add("in_proj_bias", {3 * width}, autocast_);
    inner.linear("out_proj", width, width);
  }

 private:
  void add(const std::string& name, std::vector<int64_t> shape, bool bfloat16) const {
    keys_.push_back({prefix_ + name, std::move(shape), at::kFloat, false, bfloat16});
  }

  std::vector<KeyShape>& keys_;
  std::string prefix_;
  bool autocast_;
};

void add_block(const KeyList& block, const SegmentorDims& dims) {
  const int64_t width = dims.embed_dim;
  block.norm("norm1", width);
  const KeyList attn = block.under("attn");
  attn.linear("qkv", 3 * width, width, dims.qkv_bias ? Bias::yes : Bias::none);
  if (dims.qkv_bias_mask) attn.buffer("qkv.bias_mask", {3 * width});
  attn.linear("proj", width, width);
  block.parameter("ls1.gamma", {width});
  block.norm("norm2", width);
  const KeyList mlp = block.under("mlp");
  if (dims.feed_forward == FeedForward::swiglu) {
    mlp.linear("w1", dims.feed_forward_dim, width);
    mlp.linear("w2", dims.feed_forward_dim, width);
    mlp.linear("w3", width, dims.feed_forward_dim);
  } else {
    mlp.linear("fc1", dims.feed_forward_dim, width);
    mlp.linear("fc2", width, dims.feed_forward_dim);
  }
  block.parameter("ls2.gamma", {width});
}

void add_extractor(const KeyList& extractor, const SegmentorDims& dims) {
  const int64_t width = dims.embed_dim;
  extractor.norm("query_norm", width);
  extractor.norm("feat_norm", width);
  extractor.deformable_attention("attn", width, dims.adapter_value_dim, 1);
  const KeyList ffn = extractor.under("ffn");
  ffn.linear("fc1", dims.adapter_feed_forward_dim, width);
  ffn.conv("dwconv.dwconv", dims.adapter_feed_forward_dim, 1, 3);
  ffn.linear("fc2", width, dims.adapter_feed_forward_dim);
  extractor.norm("ffn_norm", width);
}

void add_adapter(const KeyList& adapter, const SegmentorDims& dims) {
  const int64_t width = dims.embed_dim;
  const int64_t planes = dims.conv_inplanes;
  adapter.parameter("level_embed", {encoder_levels, width});
  const KeyList spm = adapter.under("spm");
  const KeyList stem = spm.under("stem");
  stem.conv("0", planes, 3, 3, Bias::none);
  stem.batch_norm("1", planes);
  stem.conv("3", planes, planes, 3, Bias::none);
  stem.batch_norm("4", planes);
  stem.conv("6", planes, planes, 3, Bias::none);
  stem.batch_norm("7", planes);
  spm.conv("conv2.0", 2 * planes, planes, 3, Bias::none);
  spm.batch_norm("conv2.1", 2 * planes);
  spm.conv("conv3.0", 4 * planes, 2 * planes, 3, Bias::none);
  spm.batch_norm("conv3.1", 4 * planes);
  spm.conv("conv4.0", 4 * planes, 4 * planes, 3, Bias::none);
  spm.batch_norm("conv4.1", 4 * planes);
  spm.conv("fc1", width, planes, 1);
  spm.conv("fc2", width, 2 * planes, 1);
  spm.conv("fc3", width, 4 * planes, 1);
  spm.conv("fc4", width, 4 * planes, 1);
  for (int64_t i = 0; i < 4; ++i) {
    const KeyList interaction = adapter.under("interactions").under(i);
    add_extractor(interaction.under("extractor"), dims);
    if (i < 3) continue;
    add_extractor(interaction.under("extra_extractors.0"), dims);
    add_extractor(interaction.under("extra_extractors.1"), dims);
  }
  adapter.conv("up", width, width, 2);
  for (const char* name : {"norm1", "norm2", "norm3", "norm4"}) adapter.batch_norm(name, width);
}

void add_pixel_decoder(const KeyList& decoder, const SegmentorDims& dims) {
  const int64_t hidden = dims.hidden_dim;
  for (int64_t level = 0; level < encoder_levels; ++level) {
    const KeyList input = decoder.under("input_convs").under(level);
    input.conv("0", hidden, dims.embed_dim, 1);
    input.norm("1", hidden);
  }
  decoder.parameter("encoder.level_encoding", {encoder_levels, hidden});
  for (int64_t i = 0; i < dims.encoder_layers; ++i) {
    const KeyList layer = decoder.under("encoder.encoder.layers").under(i);
    layer.deformable_attention("self_attn", hidden, hidden, encoder_levels);
    layer.norm("norm1", hidden);
    layer.linear("linear1", dims.encoder_feed_forward_dim, hidden);
    layer.linear("linear2", hidden, dims.encoder_feed_forward_dim);
    layer.norm("norm2", hidden);
  }
  decoder.conv("mask_feature", hidden, hidden, 1);
  decoder.conv("lateral_convs.0", hidden, dims.embed_dim, 1, Bias::none);
  decoder.norm("lateral_convs.0.norm", hidden);
  decoder.conv("output_convs.0", hidden, hidden, 3, Bias::none);
  decoder.norm("output_convs.0.norm", hidden);
}

void add_predictor(const KeyList& predictor, const SegmentorDims& dims) {
  const int64_t hidden = dims.hidden_dim;
  for (int64_t i = 0; i < dims.decoder_layers; ++i) {
    const KeyList layer = predictor.under("transformer_self_attention_layers").under(i);
    layer.attention("self_attn", hidden);
    layer.norm("norm", hidden);
  }
  for (int64_t i = 0; i < dims.decoder_layers; ++i) {
    const KeyList layer = predictor.under("transformer_cross_attention_layers").under(i);
    layer.attention("multihead_attn", hidden);
    layer.norm("norm", hidden);
  }
  for (int64_t i = 0; i < dims.decoder_layers; ++i) {
    const KeyList layer = predictor.under("transformer_ffn_layers").under(i);
    layer.linear("linear1", dims.decoder_feed_forward_dim, hidden);
    layer.linear("linear2", hidden, dims.decoder_feed_forward_dim);
    layer.norm("norm", hidden);
  }
  predictor.norm("post_norm", hidden);
  predictor.parameter("query_feat.weight", {dims.queries, hidden});
  predictor.parameter("query_embed.weight", {dims.queries, hidden});
  predictor.parameter("level_embed.weight", {encoder_levels, hidden});
  // Not marked for bfloat16 although the reference computes it so: it is the part that is trained, in
  // float32.
  predictor.parameter("class_embed.weight", {dims.classes, hidden});
  predictor.parameter("class_embed.bias", {dims.classes});
  for (const char* name : {"mask_embed.layers.0", "mask_embed.layers.1", "mask_embed.layers.2"}) {
    predictor.linear(name, hidden, hidden);
  }
}

}  // namespace

std::vector<KeyShape> backbone_keys(const SegmentorDims& dims) {
  std::vector<KeyShape> keys;
  const KeyList backbone(keys);
  const int64_t width = dims.embed_dim;
  backbone.parameter("cls_token", {1, 1, width});
  if (dims.storage_tokens > 0) backbone.parameter("storage_tokens", {1, dims.storage_tokens, width});
  backbone.parameter("mask_token", {1, width});
  backbone.conv("patch_embed.proj", width, 3, patch_size);
  backbone.buffer("rope_embed.periods", {dims.rope_periods});
  for (int64_t i = 0; i < dims.depth; ++i) add_block(backbone.under("blocks").under(i), dims);
  backbone.norm("norm", width);
  if (dims.local_cls_norm) backbone.norm("local_cls_norm", width);
  return keys;
}

std::vector<KeyShape> head_keys(const SegmentorDims& dims) {
  std::vector<KeyShape> keys;
  add_adapter(KeyList(keys, "segmentation_model.0."), dims);
  add_pixel_decoder(KeyList(keys, "segmentation_model.1.pixel_decoder.", false), dims);
  add_predictor(KeyList(keys, "segmentation_model.1.predictor."), dims);
  return keys;
}

}  // namespace dinov3_seg
