#include "models/backbone_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/error.h"
#include "models/backbone_plan.h"
#include "models/key_layouts.h"

namespace dinov3_seg {
namespace {

/// Attention heads of the released backbones, by width.
constexpr std::array<std::pair<int64_t, int64_t>, 5> released_heads = {
    {{384, 6}, {768, 12}, {1024, 16}, {1280, 20}, {4096, 32}}};
constexpr double default_rope_theta = 100;

NamedTensor* find_tensor(std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& entry) { return entry.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

/// Removes the parts of names that wrappers put between others.
void remove_inner_wrappers(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  for (const std::string wrapper : {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."}) {
    bool removed = false;
    for (auto& [name, tensor] : tensors) {
      for (std::size_t at; (at = name.find(wrapper)) != std::string::npos; removed = true)
        name.erase(at, wrapper.size());
    }
    if (removed) notes.push_back("removed '" + wrapper + "' from the keys");
  }
}

/// The first part of each key that is not under the prefix.
std::string parts_beside(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::set<std::string> parts;
  for (const auto& [name, tensor] : tensors)
    if (!name.starts_with(prefix)) parts.insert(name.substr(0, name.find('.')));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "'" : ", '") + part + "'";
  return text;
}

void note_layout(const LayoutMatch& match, const std::vector<NamedTensor>& tensors,
                 std::vector<std::string>& notes) {
  if (match.layout->name != "Meta" || !match.prefix.empty())
    notes.push_back("the backbone's keys have the layout of " + std::string(match.layout->name) +
                    (match.prefix.empty() ? "" : ", after '" + match.prefix + "'"));
  const std::string beside = parts_beside(tensors, match.prefix);
  if (!beside.empty()) notes.push_back("other keys of the file are not used: those under " + beside);
}

[[noreturn]] void fail_unknown(const CheckpointSource& source, const LayoutMatch& nearest) {
  fail("CHECKPOINT_KEYS", source.path, " does not hold a DINOv3 backbone in a known layout. The nearest is ",
       nearest.layout->name, "'s", nearest.prefix.empty() ? "" : " after '" + nearest.prefix + "'", ".",
       key_list_text("Missing", nearest.missing), key_list_text("Unexpected", nearest.unknown),
       "\nGive the state dict of a DINOv3 ViT; `inspect` lists the contents of a file.");
}

int64_t attention_heads_of(const CheckpointSource& source, int64_t width) {
  if (source.config.attention_heads) return *source.config.attention_heads;
  for (const auto& [released, heads] : released_heads)
    if (released == width) return heads;
  fail("CHECKPOINT_KEYS", source.path,
       " does not state its number of attention heads, and no released backbone is ", width,
       " wide. Give it with --attention-heads N (attentionHeads), or keep config.json beside the weights.");
}

/// The periods of the rotary position embedding of heads of width `head_dim`.
at::Tensor rope_periods(double base, int64_t head_dim) {
  const auto exponents = 2 * at::arange(head_dim / 4, at::kFloat) / static_cast<double>(head_dim / 2);
  return at::pow(base, exponents);
}

void derive_rope_periods(const CheckpointSource& source, std::vector<NamedTensor>& tensors,
                         std::vector<std::string>& notes) {
  const NamedTensor* patches = find_tensor(tensors, "patch_embed.proj.weight");
  if (!patches || patches->tensor.dim() == 0) return;  // is reported as missing or misshapen
  const int64_t width = patches->tensor.size(0);
  if (const NamedTensor* periods = find_tensor(tensors, "rope_embed.periods")) {
    const int64_t heads = periods->tensor.numel() > 0 ? width / (4 * periods->tensor.numel()) : 0;
    if (source.config.attention_heads && *source.config.attention_heads != heads)
      fail("CHECKPOINT_KEYS", "Expected ", *source.config.attention_heads, " attention heads, but ",
           source.path, " holds rope_embed.periods of ", heads,
           ". Leave out --attention-heads, or correct config.json.");
    return;
  }
  const int64_t heads = attention_heads_of(source, width);
  if (heads < 1 || width % (4 * heads) != 0)
    fail("CHECKPOINT_KEYS", "A backbone of width ", width, " cannot have ", heads,
         " attention heads: a head's width must be a multiple of 4. Correct --attention-heads or "
         "config.json.");
  const double base = source.config.rope_theta.value_or(default_rope_theta);
  tensors.push_back({"rope_embed.periods", rope_periods(base, width / heads)});
  notes.push_back(c10::str("computed rope_embed.periods for ", heads, " attention heads and base ", base));
}

void derive_mask_token(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  const NamedTensor* token = find_tensor(tensors, "cls_token");
  if (!token || find_tensor(tensors, "mask_token")) return;
  tensors.push_back({"mask_token", at::zeros({1, token->tensor.size(-1)}, token->tensor.options())});
  notes.push_back("the file has no mask_token, which only training uses: zeros");
}

/// 1 for queries and values, 0 for keys.
at::Tensor usual_bias_mask(const at::Tensor& bias) {
  at::Tensor mask = at::ones({bias.numel()}, bias.options());
  mask.narrow(0, bias.numel() / 3, bias.numel() / 3).zero_();
  return mask;
}

/// Whether the layout joins the biases of attention and the file has none for keys.
bool lacks_key_bias(const LayoutMatch& match, const TranslatedTensors& translated) {
  const auto names = own_names(*match.layout, "blocks.0.attn.qkv.bias");
  return names.size() == 3 && std::none_of(translated.own.begin(), translated.own.end(),
                                           [&](const NamedTensor& entry) { return entry.name == names[1]; });
}

void complete_bias_masks(bool derive, std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  std::vector<NamedTensor> derived;
  bool replaced = false;
  for (auto& [name, tensor] : tensors) {
    if (!name.ends_with(".attn.qkv.bias") || tensor.dim() != 1 || tensor.numel() % 3 != 0) continue;
    NamedTensor* given = find_tensor(tensors, name + "_mask");
    if (!given && !derive) continue;
    if (!given) derived.push_back({name + "_mask", usual_bias_mask(tensor)});
    at::Tensor& mask = given ? given->tensor : derived.back().tensor;
    if (mask.sizes() != tensor.sizes()) continue;
    if (!mask.isfinite().all().item<bool>()) {
      mask = usual_bias_mask(tensor);
      replaced = true;
    }
    tensor = tensor.masked_fill(mask == 0, 0);
  }
  if (replaced)
    notes.push_back(
        "attn.qkv.bias_mask is not finite in the file: taken as the architecture has it, 0 for keys");
  std::move(derived.begin(), derived.end(), std::back_inserter(tensors));
}

/// Compares the file with the backbone that its own shapes describe, in the file's own names.
void check_own_keys(const LayoutMatch& match, const TranslatedTensors& translated) {
  const BackboneDims dims = read_backbone_dims(shapes_of(translated.tensors));
  check_keys("backbone", "backbone", own_keys(*match.layout, backbone_keys(dims), translated.own),
             shapes_of(translated.own));
}

}  // namespace

BackboneWeights read_backbone(const CheckpointSource& source, DeferredTensors& deferred) {
  SourceTensors given = read_source(source);
  BackboneWeights result;
  result.notes = std::move(given.notes);
  remove_inner_wrappers(given.tensors, result.notes);
  const LayoutMatch match = nearest_layout(given.tensors);
  if (!match.recognised()) fail_unknown(source, match);
  note_layout(match, given.tensors, result.notes);
  TranslatedTensors translated = translate(match, given.tensors, deferred);
  derive_rope_periods(source, translated.tensors, result.notes);
  derive_mask_token(translated.tensors, result.notes);
  complete_bias_masks(lacks_key_bias(match, translated), translated.tensors, result.notes);
  check_own_keys(match, translated);
  result.tensors = std::move(translated.tensors);
  for (const auto& [name, tensor] : result.tensors) {
    std::string own;
    for (const std::string& part : own_names(*match.layout, name)) own += (own.empty() ? "" : ", ") + part;
    if (own != name) result.origins.emplace(name, std::move(own));
  }
  return result;
}

}  // namespace dinov3_seg
