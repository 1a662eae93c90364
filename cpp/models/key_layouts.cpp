#include "models/key_layouts.h"

#include <array>
#include <utility>

#include "models/backbone_plan.h"

namespace dinov3_seg {
namespace {

/// Meta's own files.
KeyLayout meta_layout(FeedForward feed_forward) {
  KeyLayout layout{"Meta", {}, {}};
  const auto add = [&](const std::string& name, bool optional = false) {
    layout.renames.push_back({name, name, optional});
  };
  for (const char* name : {"cls_token", "patch_embed.proj", "blocks.N.norm1", "blocks.N.attn.qkv",
                           "blocks.N.attn.proj", "blocks.N.ls1", "blocks.N.norm2", "blocks.N.ls2", "norm"})
    add(name);
  for (const char* name : {"storage_tokens", "mask_token", "rope_embed.periods", "local_cls_norm"})
    add(name, true);
  if (feed_forward == FeedForward::swiglu)
    for (const char* name : {"blocks.N.mlp.w1", "blocks.N.mlp.w2", "blocks.N.mlp.w3"}) add(name);
  else
    for (const char* name : {"blocks.N.mlp.fc1", "blocks.N.mlp.fc2"}) add(name);
  return layout;
}

/// How transformers' networks name the embeddings, a block and the last norm.
struct HuggingFaceNames {
  std::string embeddings, block, norm;
};

KeyLayout hugging_face_layout(std::string name, const HuggingFaceNames& names, FeedForward feed_forward) {
  const auto& [embeddings, block, norm] = names;
  const std::string attention = block + "attention.", mlp = block + "mlp.";
  KeyLayout layout{std::move(name),
                   {{embeddings + "cls_token", "cls_token"},
                    {embeddings + "register_tokens", "storage_tokens", true},
                    {embeddings + "mask_token", "mask_token", true, true},
                    {embeddings + "patch_embeddings", "patch_embed.proj"},
                    {block + "norm1", "blocks.N.norm1"},
                    {attention + "o_proj", "blocks.N.attn.proj"},
                    {block + "layer_scale1.lambda1", "blocks.N.ls1.gamma"},
                    {block + "norm2", "blocks.N.norm2"},
                    {block + "layer_scale2.lambda1", "blocks.N.ls2.gamma"},
                    {norm, "norm"}},
                   {{{attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"},
                     "blocks.N.attn.qkv.weight"},
                    {{attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"},
                     "blocks.N.attn.qkv.bias",
                     true}}};
  if (feed_forward == FeedForward::swiglu) {
    layout.renames.push_back({mlp + "gate_proj", "blocks.N.mlp.w1"});
    layout.renames.push_back({mlp + "up_proj", "blocks.N.mlp.w2"});
    layout.renames.push_back({mlp + "down_proj", "blocks.N.mlp.w3"});
  } else {
    layout.renames.push_back({mlp + "up_proj", "blocks.N.mlp.fc1"});
    layout.renames.push_back({mlp + "down_proj", "blocks.N.mlp.fc2"});
  }
  return layout;
}

/// DINOv3ViTModel as its files have it and as its state dict in releases after 5.3,
/// EomtDinov3ForUniversalSegmentation, and what EoMT's authors publish.
const std::array<std::pair<const char*, HuggingFaceNames>, 4> hugging_face_networks{
    {{"Hugging Face transformers", {"embeddings.", "layer.N.", "norm"}},
     {"Hugging Face transformers", {"embeddings.", "model.layer.N.", "norm"}},
     {"an EoMT network of transformers", {"embeddings.", "layers.N.", "layernorm"}},
     {"EoMT's authors", {"patch_embed.", "blocks.N.", "norm"}}}};

/// timm's Eva. Its attention has no bias for keys.
KeyLayout timm_layout(FeedForward feed_forward) {
  KeyLayout layout{"timm",
                   {{"cls_token", "cls_token"},
                    {"reg_token", "storage_tokens", true},
                    {"patch_embed.proj", "patch_embed.proj"},
                    {"blocks.N.norm1", "blocks.N.norm1"},
                    {"blocks.N.attn.qkv.weight", "blocks.N.attn.qkv.weight"},
                    {"blocks.N.attn.proj", "blocks.N.attn.proj"},
                    {"blocks.N.gamma_1", "blocks.N.ls1.gamma"},
                    {"blocks.N.norm2", "blocks.N.norm2"},
                    {"blocks.N.gamma_2", "blocks.N.ls2.gamma"},
                    {"norm", "norm"}},
                   {{{"blocks.N.attn.q_bias", "blocks.N.attn.k_bias", "blocks.N.attn.v_bias"},
                     "blocks.N.attn.qkv.bias",
                     true}}};
  if (feed_forward == FeedForward::swiglu) {
    layout.renames.push_back({"blocks.N.mlp.fc1_g", "blocks.N.mlp.w1"});
    layout.renames.push_back({"blocks.N.mlp.fc1_x", "blocks.N.mlp.w2"});
    layout.renames.push_back({"blocks.N.mlp.fc2", "blocks.N.mlp.w3"});
  } else {
    layout.renames.push_back({"blocks.N.mlp.fc1", "blocks.N.mlp.fc1"});
    layout.renames.push_back({"blocks.N.mlp.fc2", "blocks.N.mlp.fc2"});
  }
  return layout;
}

}  // namespace

const std::vector<KeyLayout>& key_layouts() {
  static const std::vector<KeyLayout> layouts = [] {
    std::vector<KeyLayout> all;
    for (const FeedForward feed_forward : {FeedForward::swiglu, FeedForward::mlp}) {
      all.push_back(meta_layout(feed_forward));
      for (const auto& [name, names] : hugging_face_networks)
        all.push_back(hugging_face_layout(name, names, feed_forward));
      all.push_back(timm_layout(feed_forward));
    }
    return all;
  }();
  return layouts;
}

const std::vector<KeyLayout>& eomt_head_layouts() {
  static const std::vector<KeyLayout> layouts{
      {"an EoMT network of transformers",
       {{"query", "segmentation_model.1.query"},
        {"class_predictor", "segmentation_model.1.class_embed"},
        {"mask_head.fc1", "segmentation_model.1.mask_head.fc1"},
        {"mask_head.fc2", "segmentation_model.1.mask_head.fc2"},
        {"mask_head.fc3", "segmentation_model.1.mask_head.fc3"},
        {"upscale_block.block.N.conv1", "segmentation_model.1.upscale.N.conv1"},
        {"upscale_block.block.N.conv2", "segmentation_model.1.upscale.N.conv2"},
        {"upscale_block.block.N.layernorm2d", "segmentation_model.1.upscale.N.norm"},
        {"attn_mask_probs", "segmentation_model.1.attn_mask_probs"}},
       {}},
      {"EoMT's authors",
       {{"q", "segmentation_model.1.query"},
        {"class_head", "segmentation_model.1.class_embed"},
        {"mask_head.0", "segmentation_model.1.mask_head.fc1"},
        {"mask_head.2", "segmentation_model.1.mask_head.fc2"},
        {"mask_head.4", "segmentation_model.1.mask_head.fc3"},
        {"upscale.N.conv1", "segmentation_model.1.upscale.N.conv1"},
        {"upscale.N.conv2", "segmentation_model.1.upscale.N.conv2"},
        {"upscale.N.norm", "segmentation_model.1.upscale.N.norm"},
        {"attn_mask_probs", "segmentation_model.1.attn_mask_probs"}},
       {}}};
  return layouts;
}

}  // namespace dinov3_seg
