#include "models/detector_plan.h"

#include <string>

#include "core/error.h"
#include "models/key_list.h"

namespace dinov3_seg {
namespace {

/// The least side of an image, in patches: a map at stride 64 has a place, and windows have pixels.
constexpr int64_t least_patches = 5;

/// Places of the maps at strides 8, 16, 32 and 64 over a grid of patches.
int64_t proposals(int64_t height, int64_t width) {
  return 4 * height * width + height * width + (height / 2) * (width / 2) + (height / 4) * (width / 4);
}

void read_head(const ShapeTable& keys, DetectorDims& dims) {
  if (keys.has("segmentation_model.0.level_embed")) {
    fail("CHECKPOINT_KEYS",
         "This is a segmentation head: convert it with task segmentation, or give a detection head.");
  }
  const std::string decoder = "transformer.decoder.layers.", encoder = "transformer.encoder.layers.";
  dims.hidden_dim = keys.size("input_proj.0.0.weight", 4, 0);
  const int64_t features = keys.size("input_proj.0.0.weight", 4, 1);
  if (features != dims.feature_dim()) {
    fail("HEAD_MISMATCH", "The head expects features of ", features, " channels (a backbone of width ",
         features / 8, "), but this backbone's width is ", dims.embed_dim,
         ". Give a head trained on this backbone.");
  }
  dims.heads = keys.size(decoder + "0.cross_attn.cpb_mlp1.2.weight", 2, 0);
  dims.bias_dim = keys.size(decoder + "0.cross_attn.cpb_mlp1.2.weight", 2, 1);
  dims.encoder_layers = keys.count(encoder, ".norm1.weight");
  dims.encoder_feed_forward_dim = keys.size(encoder + "0.linear1.weight", 2, 0);
  dims.decoder_layers = keys.count(decoder, ".norm1.weight");
  dims.decoder_feed_forward_dim = keys.size(decoder + "0.linear1.weight", 2, 0);
  dims.classes = keys.size("class_embed.0.weight", 2, 0);
  dims.stored_queries = keys.size("query_embed.weight", 2, 0);
  // The sines of a position need a multiple of 4.
  if (dims.heads < 1 || dims.hidden_dim < 1 || dims.hidden_dim % dims.heads != 0 ||
      dims.hidden_dim % detector_norm_groups != 0) {
    fail("CHECKPOINT_KEYS", "The head's width ", dims.hidden_dim, " does not match ", dims.heads,
         " heads and ", detector_norm_groups, " groups.");
  }
  if (dims.classes < 1 || dims.stored_queries < 2 || dims.stored_queries % 2 != 0) {
    fail("CHECKPOINT_KEYS", "Expected classes and an even number of queries, got ", dims.classes, " and ",
         dims.stored_queries, ".");
  }
}

void add_decoder_layer(const KeyList& layer, const DetectorDims& dims) {
  const int64_t hidden = dims.hidden_dim;
  const KeyList cross = layer.under("cross_attn");
  for (const char* name : {"cpb_mlp1", "cpb_mlp2"}) {
    cross.under(name).linear("0", dims.bias_dim, 2);
    cross.under(name).linear("2", dims.heads, dims.bias_dim, Bias::none);
  }
  for (const char* name : {"q", "k", "v", "proj"}) cross.linear(name, hidden, hidden);
  layer.norm("norm1", hidden);
  layer.attention("self_attn", hidden);
  layer.norm("norm2", hidden);
  layer.linear("linear1", dims.decoder_feed_forward_dim, hidden);
  layer.linear("linear2", hidden, dims.decoder_feed_forward_dim);
  layer.norm("norm3", hidden);
}

void add_encoder_layer(const KeyList& layer, const DetectorDims& dims) {
  const int64_t hidden = dims.hidden_dim;
  layer.attention("self_attn", hidden);
  layer.linear("linear1", dims.encoder_feed_forward_dim, hidden);
  layer.linear("linear2", hidden, dims.encoder_feed_forward_dim);
  layer.norm("norm1", hidden);
  layer.norm("norm2", hidden);
}

/// One a decoder layer, and one for the proposals.
void add_class_embed(const KeyList& keys, const DetectorDims& dims) {
  for (int64_t i = 0; i <= dims.decoder_layers; ++i)
    keys.under("class_embed").linear(std::to_string(i), dims.classes, dims.hidden_dim);
}

void add_bbox_embed(const KeyList& keys, const DetectorDims& dims) {
  for (int64_t i = 0; i <= dims.decoder_layers; ++i) {
    const KeyList layers = keys.under("bbox_embed").under(i).under("layers");
    layers.linear("0", dims.hidden_dim, dims.hidden_dim);
    layers.linear("1", dims.hidden_dim, dims.hidden_dim);
    layers.linear("2", 4, dims.hidden_dim);
  }
}

void add_proposals(const KeyList& transformer, int64_t hidden) {
  transformer.linear("enc_output", hidden, hidden);
  transformer.norm("enc_output_norm", hidden);
  transformer.linear("pos_trans", 2 * hidden, 2 * hidden);
  transformer.norm("pos_trans_norm", 2 * hidden);
  const KeyList maps = transformer.under("enc_output_proj");
  maps.conv("0.0", hidden, hidden, 2);
  maps.conv("2.0", hidden, hidden, 2);
  maps.conv("3.0", hidden, hidden, 2);
  maps.norm("3.1.ln", hidden);
  maps.conv("3.3", hidden, hidden, 2);
}

}  // namespace

DetectorDims read_detector_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  DetectorDims dims;
  static_cast<BackboneDims&>(dims) = read_backbone_dims(backbone);
  read_head(ShapeTable("head", head), dims);
  return dims;
}

std::vector<KeyShape> detector_head_keys(const DetectorDims& dims) {
  std::vector<KeyShape> keys;
  // Boxes are in pixels and positions in thousands of radians: nothing of it is for bfloat16.
  const KeyList head(keys, "", /*autocast=*/false);
  const KeyList transformer = head.under("transformer"), decoder = transformer.under("decoder");
  const int64_t hidden = dims.hidden_dim;
  transformer.parameter("level_embed", {1, hidden});
  for (int64_t i = 0; i < dims.decoder_layers; ++i) add_decoder_layer(decoder.under("layers").under(i), dims);
  decoder.norm("final_layer_norm", hidden);
  const std::size_t first_repeat = keys.size();
  add_bbox_embed(decoder, dims);
  add_class_embed(decoder, dims);
  const std::string prefix = "transformer.decoder.";
  for (std::size_t i = first_repeat; i < keys.size(); ++i)
    keys[i].repeats = keys[i].name.substr(prefix.size());
  add_proposals(transformer, hidden);
  for (int64_t i = 0; i < dims.encoder_layers; ++i)
    add_encoder_layer(transformer.under("encoder.layers").under(i), dims);
  add_class_embed(head, dims);
  add_bbox_embed(head, dims);
  head.parameter("query_embed.weight", {dims.stored_queries, hidden});
  head.conv("input_proj.0.0", hidden, dims.feature_dim(), 1);
  head.norm("input_proj.0.1", hidden);
  return keys;
}

std::vector<int64_t> detector_tapped_layers(int64_t depth) {
  return {depth / 4 - 1, 2 * depth / 4 - 1, 3 * depth / 4 - 1, depth - 1};
}

DetectorDims checked_detector_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  const DetectorDims dims = read_detector_dims(backbone, head);
  check_keys("backbone", "detector", backbone_keys(dims), backbone);
  check_keys("head", "detector", detector_head_keys(dims), head);
  return dims;
}

void check_detector_input(c10::IntArrayRef images, int64_t queries) {
  const bool shaped = images.size() == 4 && images[0] > 0 && images[1] == 3 && images[2] % patch_size == 0 &&
                      images[3] % patch_size == 0 && images[2] >= least_patches * patch_size &&
                      images[3] >= least_patches * patch_size;
  if (!shaped)
    fail("SHAPE", "expected images B×3×H×W with H and W multiples of ", patch_size, " from ",
         least_patches * patch_size, ", got ", images);
  const int64_t places = proposals(images[2] / patch_size, images[3] / patch_size);
  if (places < queries)
    fail("SHAPE", "images of ", images[3], "×", images[2], " pixels have ", places,
         " positions for boxes, but the detector has ", queries, " queries. Use larger images");
}

}  // namespace dinov3_seg
