#include "models/network_sizes.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "core/mapped_file.h"
#include "core/state_dict.h"
#include "core/torch_archive.h"
#include "models/archive.h"
#include "models/block_matrices.h"
#include "models/network_module.h"
#include "models/quantized_blocks.h"

namespace dinov3_seg {
namespace {

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> parts;
  std::istringstream stream(name);
  for (std::string part; std::getline(stream, part, '.');) parts.push_back(part);
  return parts;
}

}  // namespace

NetworkSizes network_sizes(const std::string& path, const std::string& dtype, NetworkPrecision precision) {
  network_archive(path);  // says what another file is
  NetworkSizes sizes;
  std::map<std::int64_t, std::int64_t> bytes_of_block;
  for (const auto& [name, tensor] :
       find_module_tensors(read_torch_archive(MappedFile::open(path)).pickle, path).tensors) {
    const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
    const std::int64_t block = tensor.dim() >= 2 ? block_of(split(name)) : -1;
    if (name.ends_with("patch_embed.proj.weight")) sizes.width = tensor.size(0);
    if (name.ends_with("class_embed.weight")) sizes.hidden = tensor.size(1);
    if (block < 0) {
      sizes.other_bytes += bytes;
      continue;
    }
    sizes.dtype = dtype == "stored" ? tensor.scalar_type() : cast_target(dtype);
    bytes_of_block[block] += tensor.numel() * static_cast<std::int64_t>(c10::elementSize(sizes.dtype));
  }
  sizes.blocks = static_cast<std::int64_t>(bytes_of_block.size());
  const auto element = static_cast<std::int64_t>(c10::elementSize(sizes.dtype));
  for (auto [block, bytes] : bytes_of_block) {
    if (precision == NetworkPrecision::fp8 && is_quantized_block(block, sizes.blocks)) bytes /= element;
    sizes.block_bytes = std::max(sizes.block_bytes, bytes);
    sizes.blocks_bytes += bytes;
  }
  return sizes;
}

}  // namespace dinov3_seg
