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

/// DINOv3ViTModel as its files have it, and its state dict in releases after 5.3.
const std::array<std::pair<const char*, HuggingFaceNames>, 2> hugging_face_networks{
    {{"Hugging Face transformers", {"embeddings.", "layer.N.", "norm"}},
     {"Hugging Face transformers", {"embeddings.", "model.layer.N.", "norm"}}}};

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

}  // namespace dinov3_seg
