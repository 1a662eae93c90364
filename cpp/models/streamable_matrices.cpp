#include "models/streamable_matrices.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <sstream>
#include <string_view>

namespace dinov3_seg {
namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream stream(path);
  for (std::string part; std::getline(stream, part, '.');) parts.push_back(part);
  return parts;
}

std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = -1;
  const char* end = text.data() + text.size();
  const bool whole = std::from_chars(text.data(), end, number).ptr == end;
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

/// A list of layers by the last names before a layer's number.
struct LayerList {
  std::string_view name;
  std::int64_t part, step;
};
constexpr std::array lists{
    LayerList{"blocks", 0, 0},
    LayerList{"interactions", 1, 0},
    LayerList{"pixel_decoder.encoder.encoder.layers", 2, 0},
    LayerList{"predictor.transformer_cross_attention_layers", 3, 0},
    LayerList{"predictor.transformer_self_attention_layers", 3, 1},
    LayerList{"predictor.transformer_ffn_layers", 3, 2},
};
// Beside `extractor` in an interaction, and after it.
constexpr std::string_view extra_list = "extra_extractors";

bool is_own(const torch::jit::Module& module) {
  const auto& name = module.type()->name();
  return name && name->qualifiedName().starts_with("__torch__.dinov3_seg.");
}

}  // namespace

std::optional<LayerPlace> layer_place(const std::string& path) {
  const auto names = split(path);
  std::string before;
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    before += "." + names[i];
    const auto list = std::ranges::find_if(
        lists, [&](const LayerList& each) { return before.ends_with("." + std::string(each.name)); });
    const auto number = number_of(names[i + 1]);
    if (list == lists.end() || !number) continue;
    LayerPlace place{list->part, *number, list->step};
    if (i + 3 < names.size() && names[i + 2] == extra_list)
      if (const auto extra = number_of(names[i + 3])) place.step = *extra + 1;
    return place;
  }
  return std::nullopt;
}

std::vector<StreamableMatrix> streamable_matrices(const torch::jit::Module& module) {
  std::vector<StreamableMatrix> matrices;
  bool blocks = false;
  for (const auto& [path, owner] : module.named_modules()) {
    const auto place = layer_place(path);
    if (!place) continue;
    if (!is_own(owner)) return {};
    blocks = blocks || place->in_backbone();
    for (const auto& entry : owner.named_parameters(/*recurse=*/false))
      if (entry.value.dim() == 2) matrices.push_back({owner, entry.name, *place});
  }
  if (!blocks) return {};
  std::ranges::stable_sort(matrices, {}, &StreamableMatrix::place);
  return matrices;
}

std::int64_t block_count(const std::vector<StreamableMatrix>& matrices) {
  std::int64_t blocks = 0;
  for (const StreamableMatrix& matrix : matrices)
    if (matrix.place.in_backbone()) blocks = std::max(blocks, matrix.place.layer + 1);
  return blocks;
}

std::vector<bool> streamed_blocks(std::int64_t blocks, std::int64_t resident) {
  const std::int64_t streamed = blocks - std::clamp<std::int64_t>(resident, 0, blocks);
  std::vector<bool> leaves(static_cast<std::size_t>(blocks));
  for (std::int64_t i = 0; i < streamed; ++i) leaves[static_cast<std::size_t>(i * blocks / streamed)] = true;
  return leaves;
}

std::vector<StreamableMatrix> streamed_matrices(const std::vector<StreamableMatrix>& matrices,
                                                std::int64_t resident) {
  const std::int64_t blocks = block_count(matrices);
  const std::vector<bool> leaves = streamed_blocks(blocks, resident);
  if (resident >= blocks) return {};
  std::vector<StreamableMatrix> result;
  std::ranges::copy_if(matrices, std::back_inserter(result), [&](const StreamableMatrix& matrix) {
    return !matrix.place.in_backbone() || leaves[static_cast<std::size_t>(matrix.place.layer)];
  });
  return result;
}

std::size_t aligned_bytes(std::size_t bytes) {
  constexpr std::size_t alignment = 512;
  return (bytes + alignment - 1) / alignment * alignment;
}

std::size_t ring_bytes(const std::vector<StreamedSize>& sizes) {
  std::size_t ring = 0;
  std::map<std::int64_t, std::size_t> of_blocks;
  for (const StreamedSize& size : sizes) {
    const std::size_t bytes = aligned_bytes(size.bytes);
    ring = std::max(ring, 2 * bytes);
    if (size.place.in_backbone()) ring = std::max(ring, of_blocks[size.place.layer] += bytes);
  }
  return ring;
}

}  // namespace dinov3_seg
