#include "models/segmentor_plan.h"

#include <string>

#include "core/error.h"

namespace dinov3_seg {
namespace {

void read_head(const ShapeTable& keys, SegmentorDims& dims) {
  const std::string adapter = "segmentation_model.0.";
  const std::string decoder = "segmentation_model.1.pixel_decoder.";
  const std::string predictor = "segmentation_model.1.predictor.";
  const std::string extractor = adapter + "interactions.0.extractor.";
  if (keys.has("transformer.level_embed")) {
    fail("CHECKPOINT_KEYS",
         "This is a detection head: convert it with task detection, or give a segmentation head.");
  }
  dims.conv_inplanes = keys.size(adapter + "spm.stem.0.weight", 4, 0);
  const int64_t head_width = keys.size(adapter + "spm.fc1.weight", 4, 0);
  if (head_width != dims.embed_dim) {
    fail("HEAD_MISMATCH", "The head was made for a backbone of width ", head_width,
         ", but this backbone's width is ", dims.embed_dim, ". Give a head trained on this backbone.");
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
    fail("CHECKPOINT_KEYS", "The head's widths do not match ", attention_heads, " heads and ", norm_groups,
         " groups: attention values of width ", dims.adapter_value_dim, ", hidden width ", dims.hidden_dim,
         ".");
  }
}

}  // namespace

SegmentorDims read_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  SegmentorDims dims;
  static_cast<BackboneDims&>(dims) = read_backbone_dims(backbone);
  read_head(ShapeTable("head", head), dims);
  return dims;
}

ParameterCounts count_parameters(const SegmentorDims& dims, int64_t classes) {
  SegmentorDims with_classes = dims;
  with_classes.classes = classes;
  ParameterCounts counts;
  for (const auto& key : backbone_keys(with_classes)) counts.backbone += parameters_of(key);
  for (const auto& key : head_keys(with_classes)) {
    int64_t& part = key.name.starts_with(class_embed_prefix)                  ? counts.trained
                    : key.name.starts_with("segmentation_model.1.predictor.") ? counts.predictor
                    : key.name.starts_with("segmentation_model.1.")           ? counts.pixel_decoder
                                                                              : counts.adapter;
    part += parameters_of(key);
  }
  return counts;
}

std::vector<int64_t> tapped_layers(int64_t depth) {
  if (depth == 24) return {4, 11, 17, 23};
  const int64_t interval = depth / 4;
  return {interval - 1, 2 * interval - 1, 3 * interval - 1, 4 * interval - 1};
}

SegmentorDims checked_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  const SegmentorDims dims = read_dims(backbone, head);
  check_keys("backbone", "segmentor", backbone_keys(dims), backbone);
  check_keys("head", "segmentor", head_keys(dims), head);
  return dims;
}

}  // namespace dinov3_seg
