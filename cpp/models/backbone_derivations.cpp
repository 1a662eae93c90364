#include "models/backbone_derivations.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/dtype_names.h"
#include "core/error.h"

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

void check_heads(const CheckpointSource& source, int64_t heads) {
  if (source.config.attention_heads && *source.config.attention_heads != heads)
    fail("CHECKPOINT_KEYS", "Expected ", *source.config.attention_heads, " attention heads, but ",
         source.path, " holds rope_embed.periods of ", heads,
         ". Leave out --attention-heads, or correct config.json.");
}

/// Periods that were rounded to 16 bits with the other weights are taken from the formula.
void mend_rope_periods(double base, NamedTensor& periods, std::vector<std::string>& notes) {
  const at::ScalarType dtype = periods.tensor.scalar_type();
  if (c10::elementSize(dtype) >= 4) return;
  const at::Tensor exact = rope_periods(base, 4 * periods.tensor.numel());
  if (!exact.to(dtype).equal(periods.tensor)) return;
  periods.tensor = exact;
  notes.push_back(c10::str("rope_embed.periods are ", dtype_name(dtype), " in the file: computed anew"));
}

void derive_mask_token(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  const NamedTensor* token = find_tensor(tensors, "cls_token");
  if (!token || find_tensor(tensors, "mask_token")) return;
  tensors.push_back({"mask_token", at::zeros({1, token->tensor.size(-1)}, token->tensor.options())});
  notes.push_back("the file has no mask_token, which only training uses: zeros");
}

/// Keys without effect may hold anything: what is not finite becomes 0.
void mend_unused(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  for (auto& [name, tensor] : tensors) {
    const bool unused = name == "mask_token" || name.starts_with("local_cls_norm.");
    if (!unused || !tensor.is_floating_point() || tensor.isfinite().all().item<bool>()) continue;
    tensor = tensor.nan_to_num(0, 0, 0);
    notes.push_back(name + ", which inference does not use, is not finite in the file: zeros there");
  }
}

/// 1 for queries and values, 0 for keys.
at::Tensor usual_bias_mask(const at::Tensor& bias) {
  at::Tensor mask = at::ones({bias.numel()}, bias.options());
  mask.narrow(0, bias.numel() / 3, bias.numel() / 3).zero_();
  return mask;
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

}  // namespace

void derive_rope_periods(const CheckpointSource& source, std::vector<NamedTensor>& tensors,
                         std::vector<std::string>& notes) {
  const NamedTensor* patches = find_tensor(tensors, "patch_embed.proj.weight");
  if (!patches || patches->tensor.dim() == 0) return;  // is reported as missing or misshapen
  const int64_t width = patches->tensor.size(0);
  const double base = source.config.rope_theta.value_or(default_rope_theta);
  if (NamedTensor* periods = find_tensor(tensors, "rope_embed.periods")) {
    if (periods->tensor.numel() == 0) return;
    check_heads(source, width / (4 * periods->tensor.numel()));
    mend_rope_periods(base, *periods, notes);
    return;
  }
  const int64_t heads = attention_heads_of(source, width);
  if (heads < 1 || width % (4 * heads) != 0)
    fail("CHECKPOINT_KEYS", "A backbone of width ", width, " cannot have ", heads,
         " attention heads: a head's width must be a multiple of 4. Correct --attention-heads or "
         "config.json.");
  tensors.push_back({"rope_embed.periods", rope_periods(base, width / heads)});
  notes.push_back(c10::str("computed rope_embed.periods for ", heads, " attention heads and base ", base));
}

void derive_missing(const CheckpointSource& source, bool lacks_key_bias, std::vector<NamedTensor>& tensors,
                    std::vector<std::string>& notes) {
  derive_rope_periods(source, tensors, notes);
  derive_mask_token(tensors, notes);
  mend_unused(tensors, notes);
  complete_bias_masks(lacks_key_bias, tensors, notes);
}

}  // namespace dinov3_seg
