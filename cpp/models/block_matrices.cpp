#include "models/block_matrices.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

namespace dinov3_seg {
namespace {

constexpr const char* list_name = "blocks";

std::int64_t number_of(const std::string& text) {
  std::int64_t number = -1;
  const char* end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end ? number : -1;
}

bool is_own_block(const torch::jit::Module& module) {
  const auto& name = module.type()->name();
  return name && name->name().starts_with("Block") &&
         name->qualifiedName().starts_with("__torch__.dinov3_seg.");
}

}  // namespace

std::vector<std::vector<BlockMatrix>> block_matrices(const torch::jit::Module& module) {
  std::vector<std::vector<BlockMatrix>> blocks;
  for (const auto& [path, list] : module.named_modules()) {
    if (path != list_name && !path.ends_with(std::string(".") + list_name)) continue;
    for (const auto& [number, block] : list.named_children()) {
      if (number_of(number) != static_cast<std::int64_t>(blocks.size()) || !is_own_block(block)) return {};
      auto& matrices = blocks.emplace_back();
      for (const torch::jit::Module& owner : block.modules())
        for (const auto& entry : owner.named_parameters(/*recurse=*/false))
          if (entry.value.dim() >= 2) matrices.push_back({owner, entry.name});
    }
  }
  return blocks;
}

std::vector<std::int64_t> streamed_blocks(std::int64_t blocks, std::int64_t resident) {
  const std::int64_t streamed = blocks - std::clamp<std::int64_t>(resident, 0, blocks);
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < streamed; ++i) numbers.push_back(i * blocks / streamed);
  return numbers;
}

std::int64_t block_of(const std::vector<std::string>& path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i)
    if (path[i] == list_name) return number_of(path[i + 1]);
  return -1;
}

}  // namespace dinov3_seg
