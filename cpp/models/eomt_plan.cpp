#include "models/eomt_plan.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "models/key_list.h"

namespace dinov3_seg {
namespace {

void read_head(const ShapeTable& keys, EomtDims& dims) {
  const std::string head = eomt_head_prefix;
  dims.queries = keys.size(head + "query.weight", 2, 0);
  const int64_t width = keys.size(head + "query.weight", 2, 1);
  if (width != dims.embed_dim) {
    fail("HEAD_MISMATCH", "The EoMT file was made for a backbone of width ", width,
         ", but this backbone's width is ", dims.embed_dim, ". Give the backbone that it was trained from.");
  }
  dims.classes = keys.size(head + "class_embed.weight", 2, 0);
  dims.query_blocks = keys.size(head + "attn_mask_probs", 1, 0);
  dims.upscale_blocks = keys.count(head + "upscale.", ".conv1.weight");
  if (dims.query_blocks < 1 || dims.query_blocks > dims.depth) {
    fail("CHECKPOINT_KEYS", "Expected an EoMT network whose queries join in one of its ", dims.depth,
         " blocks, got attn_mask_probs of ", dims.query_blocks, " blocks. Check that the file is complete.");
  }
  if (dims.upscale_blocks != 2) {
    fail("CHECKPOINT_KEYS",
         "Expected an EoMT network with two upscale blocks, which gives masks of a quarter of the",
         " image's sides, got ", dims.upscale_blocks, ". Check that the file is complete.");
  }
}

}  // namespace

bool is_eomt(const std::vector<KeyShape>& keys) {
  const std::string key = std::string(eomt_head_prefix) + "query.weight";
  return std::any_of(keys.begin(), keys.end(), [&](const KeyShape& each) { return each.name == key; });
}

EomtDims read_eomt_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  EomtDims dims;
  static_cast<BackboneDims&>(dims) = read_backbone_dims(backbone);
  read_head(ShapeTable("head", head), dims);
  return dims;
}

EomtDims checked_eomt_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head) {
  const EomtDims dims = read_eomt_dims(backbone, head);
  check_keys("backbone", "EoMT network", backbone_keys(dims), backbone);
  check_keys("head", "EoMT network", eomt_head_keys(dims), head);
  return dims;
}

std::vector<KeyShape> eomt_head_keys(const EomtDims& dims) {
  std::vector<KeyShape> keys;
  const KeyList head(keys, eomt_head_prefix);
  const int64_t width = dims.embed_dim;
  head.parameter("query.weight", {dims.queries, width});
  // Not marked for bfloat16 although the reference computes it so: it is the part that is trained, in
  // float32.
  head.parameter("class_embed.weight", {dims.classes, width});
  head.parameter("class_embed.bias", {dims.classes});
  for (const char* name : {"mask_head.fc1", "mask_head.fc2", "mask_head.fc3"})
    head.linear(name, width, width);
  for (int64_t i = 0; i < dims.upscale_blocks; ++i) {
    const KeyList block = head.under("upscale").under(i);
    block.conv("conv1", width, width, 2);
    block.conv("conv2", width, 1, 3, Bias::none);
    block.norm("norm", width);
  }
  head.buffer("attn_mask_probs", {dims.query_blocks});
  return keys;
}

EomtParameterCounts count_eomt_parameters(const EomtDims& dims, int64_t classes) {
  EomtDims with_classes = dims;
  with_classes.classes = classes;
  EomtParameterCounts counts;
  for (const KeyShape& key : backbone_keys(with_classes)) counts.frozen += parameters_of(key);
  for (const KeyShape& key : eomt_head_keys(with_classes)) {
    const bool trained = key.name.starts_with(eomt_class_embed_prefix);
    (trained ? counts.trained : counts.frozen) += parameters_of(key);
  }
  return counts;
}

}  // namespace dinov3_seg
