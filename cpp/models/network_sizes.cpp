#include "models/network_sizes.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/mapped_file.h"
#include "core/state_dict.h"
#include "core/torch_archive.h"
#include "models/archive.h"
#include "models/folded_chains.h"
#include "models/network_module.h"
#include "models/streamable_matrices.h"

namespace dinov3_seg {

NetworkSizes network_sizes(const std::string& path, const std::string& dtype) {
  network_archive(path);  // says what another file is
  NetworkSizes sizes;
  std::map<std::int64_t, std::int64_t> bytes_of_block;
  std::vector<NamedTensor> tensors;
  std::vector<StreamedSize> streamed;
  for (const auto& [name, tensor] :
       find_module_tensors(read_torch_archive(MappedFile::open(path)).pickle, path).tensors) {
    tensors.push_back({name, tensor});
    auto bytes = static_cast<std::int64_t>(tensor.nbytes());
    const auto place = tensor.dim() == 2 ? layer_place(name) : std::nullopt;
    if (name.ends_with("patch_embed.proj.weight")) sizes.width = tensor.size(0);
    if (name.ends_with("class_embed.weight")) sizes.hidden = tensor.size(1);
    if (tensor.dim() >= 2 && name.find("pixel_decoder.") != std::string::npos)
      sizes.pixel_decoder_weights += tensor.numel();
    if (!place) {
      sizes.other_bytes += bytes;
      continue;
    }
    if (place->in_backbone()) {
      sizes.dtype = dtype == "stored" ? tensor.scalar_type() : cast_target(dtype);
      bytes = tensor.numel() * static_cast<std::int64_t>(c10::elementSize(sizes.dtype));
      bytes_of_block[place->layer] += bytes;
    } else {
      sizes.decoder_bytes += bytes;
    }
    streamed.push_back({*place, static_cast<std::size_t>(bytes)});
  }
  const std::int64_t folded = folded_bytes(tensors);
  sizes.other_bytes += folded;
  if (sizes.pixel_decoder_weights > 0)
    sizes.pixel_decoder_weights += folded / static_cast<std::int64_t>(sizeof(float));
  sizes.ring_bytes = static_cast<std::int64_t>(ring_bytes(streamed));
  sizes.blocks = static_cast<std::int64_t>(bytes_of_block.size());
  for (const auto& [block, bytes] : bytes_of_block) {
    sizes.block_bytes = std::max(sizes.block_bytes, bytes);
    sizes.blocks_bytes += bytes;
  }
  return sizes;
}

}  // namespace dinov3_seg
