#include "models/backbone_plan.h"

#include <string>

#include "core/error.h"
#include "models/key_list.h"

namespace dinov3_seg {
namespace {

void add_block(const KeyList& block, const BackboneDims& dims) {
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

}  // namespace

BackboneDims read_backbone_dims(const std::vector<KeyShape>& backbone) {
  const ShapeTable keys("backbone", backbone);
  BackboneDims dims;
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
         ": heads use four of them. Check that the file is complete.");
  }
  if (dims.rope_periods < 1 || dims.embed_dim % (4 * dims.rope_periods) != 0) {
    fail("CHECKPOINT_KEYS", "The backbone's width ", dims.embed_dim, " is not a multiple of its head width ",
         4 * dims.rope_periods, " (4 x the length of rope_embed.periods).");
  }
  return dims;
}

std::vector<KeyShape> backbone_keys(const BackboneDims& dims) {
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

int64_t parameters_of(const KeyShape& key) {
  int64_t elements = 1;
  for (const int64_t extent : key.shape) elements *= extent;
  return key.buffer ? 0 : elements;
}

}  // namespace dinov3_seg
