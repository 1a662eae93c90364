#include "models/other_networks.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"
#include "core/utf8.h"
#include "models/backbone_plan.h"

namespace dinov3_seg {
namespace {

/// The layer that a ConvNeXt's block begins with.
constexpr std::array<std::string_view, 3> depthwise_names = {".dwconv.weight", ".depthwise_conv.weight",
                                                             ".conv_dw.weight"};
constexpr std::array<std::string_view, 2> position_names = {"pos_embed", "embeddings.position_embeddings"};
constexpr std::array<std::string_view, 3> patch_names = {"patch_embed.proj.weight",
                                                         "embeddings.patch_embeddings.weight",
                                                         "embeddings.patch_embeddings.projection.weight"};

/// Whether `name` is one of the ends, or ends in one of them after a dot.
template <std::size_t count>
bool ends_in(std::string_view name, const std::array<std::string_view, count>& ends) {
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) {
    if (!name.ends_with(end)) return false;
    const std::size_t before = name.size() - end.size();
    return before == 0 || end.front() == '.' || name[before - 1] == '.';
  });
}

bool is_convnext_block(std::string_view name) {
  return name.find("stages.") != std::string_view::npos && ends_in(name, depthwise_names);
}

/// Pixels a side of a patch; 0 where there is no patch embedding.
int64_t patch_side(const std::vector<NamedTensor>& tensors) {
  for (const auto& [name, tensor] : tensors)
    if (ends_in(name, patch_names) && tensor.dim() == 4) return tensor.size(3);
  return 0;
}

}  // namespace

void refuse_other_networks(const std::string& path, const std::vector<NamedTensor>& tensors) {
  const std::string advice = ", which is not supported. Give a ViT backbone of DINOv3: S, S+, B, L, H+ or 7B";
  const int64_t side = patch_side(tensors);
  const std::string patches = "patches of " + std::to_string(side) + "×" + std::to_string(side) + " pixels";
  for (const auto& [name, tensor] : tensors) {
    if (is_convnext_block(name))
      fail("CHECKPOINT_KEYS", path, " holds a ConvNeXt (", printable(name), ")", advice);
    if (ends_in(name, position_names))
      fail("CHECKPOINT_KEYS", path, " holds a ViT with learned position embeddings (", printable(name),
           side > 0 ? ", " + patches : "", "), such as DINOv2", advice);
  }
  if (side > 0 && side != patch_size)
    fail("CHECKPOINT_KEYS", path, " holds a ViT with ", patches, "; DINOv3's have ", patch_size, "×",
         patch_size, advice);
}

}  // namespace dinov3_seg
