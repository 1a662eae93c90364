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
#include "models/quantized_blocks.h"
#include "models/streamable_matrices.h"

namespace dinov3_seg {

namespace {

/// The sizes of matrices as quantize_blocks() leaves them.
void quantize(std::vector<StreamedSize>& matrices, const NetworkSizes& network) {
  for (auto& [place, bytes] : matrices)
    if (place.in_backbone() && is_quantized_block(place.layer, network.blocks))
      bytes /= c10::elementSize(network.dtype);
}

}  // namespace

NetworkSizes network_sizes(const std::string& path, const std::string& dtype, NetworkPrecision precision) {
  network_archive(path);  // says what another file is
  NetworkSizes sizes;
  std::vector<NamedTensor> tensors;
  std::vector<StreamedSize> streamed;
  for (const auto& [name, tensor] :
       find_module_tensors(read_torch_archive(MappedFile::open(path)).pickle, path).tensors) {
    tensors.push_back({name, tensor});
    std::size_t bytes = tensor.nbytes();
    const auto place = tensor.dim() == 2 ? layer_place(name) : std::nullopt;
    if (name.ends_with("patch_embed.proj.weight")) sizes.width = tensor.size(0);
    if (name.ends_with("class_embed.weight")) sizes.hidden = tensor.size(1);
    if (tensor.dim() >= 2 && is_decoder_parameter(name)) sizes.pixel_decoder_weights += tensor.numel();
    if (!place) {
      sizes.other_bytes += static_cast<std::int64_t>(bytes);
      continue;
    }
    if (place->in_backbone()) {
      sizes.dtype = dtype == "stored" ? tensor.scalar_type() : cast_target(dtype);
      bytes = static_cast<std::size_t>(tensor.numel()) * c10::elementSize(sizes.dtype);
      sizes.blocks = std::max(sizes.blocks, place->layer + 1);
    }
    streamed.push_back({*place, bytes});
  }
  if (precision == NetworkPrecision::fp8) quantize(streamed, sizes);
  if (precision != NetworkPrecision::reference) {
    const std::int64_t folded = folded_bytes(tensors);
    sizes.other_bytes += folded;
    if (sizes.pixel_decoder_weights > 0)
      sizes.pixel_decoder_weights += folded / static_cast<std::int64_t>(sizeof(float));
  }
  sizes.ring_bytes = static_cast<std::int64_t>(ring_bytes(streamed));
  std::map<std::int64_t, std::int64_t> bytes_of_block;
  for (const auto& [place, size] : streamed) {
    const auto bytes = static_cast<std::int64_t>(size);
    (place.in_backbone() ? sizes.blocks_bytes : sizes.decoder_bytes) += bytes;
    if (!place.in_backbone()) continue;
    std::int64_t& block = bytes_of_block[place.layer] += bytes;
    sizes.block_bytes = std::max(sizes.block_bytes, block);
  }
  return sizes;
}

}  // namespace dinov3_seg
