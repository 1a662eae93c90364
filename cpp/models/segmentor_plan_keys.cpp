// The key list of a segmentation head, in the order of the released file.

#include "models/key_list.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

void add_deformable_attention(const KeyList& attention, int64_t width, int64_t value_width, int64_t levels) {
  const int64_t samples = attention_heads * levels * sampling_points;
  attention.linear("sampling_offsets", 2 * samples, width);
  attention.linear("attention_weights", samples, width);
  attention.linear("value_proj", value_width, width);
  attention.linear("output_proj", width, value_width);
}

void add_extractor(const KeyList& extractor, const SegmentorDims& dims) {
  const int64_t width = dims.embed_dim;
  extractor.norm("query_norm", width);
  extractor.norm("feat_norm", width);
  add_deformable_attention(extractor.under("attn"), width, dims.adapter_value_dim, 1);
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
    add_deformable_attention(layer.under("self_attn"), hidden, hidden, encoder_levels);
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

std::vector<KeyShape> head_keys(const SegmentorDims& dims) {
  std::vector<KeyShape> keys;
  add_adapter(KeyList(keys, "segmentation_model.0."), dims);
  add_pixel_decoder(KeyList(keys, "segmentation_model.1.pixel_decoder.", false), dims);
  add_predictor(KeyList(keys, "segmentation_model.1.predictor."), dims);
  return keys;
}

}  // namespace dinov3_seg
