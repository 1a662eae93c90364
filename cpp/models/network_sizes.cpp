#include "models/network_sizes.h"

#include <algorithm>
#include <utility>
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

/// Adds the bytes of the blocks that stay, however many of them do.
void add_resident_bytes(const std::vector<StreamedSize>& matrices, NetworkSizes& network) {
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(network.blocks));
  for (const auto& [place, bytes] : matrices)
    if (place.in_backbone())
      blocks[static_cast<std::size_t>(place.layer)] += static_cast<std::int64_t>(bytes);
  network.resident_bytes.clear();
  for (std::int64_t resident = 0; resident <= network.blocks; ++resident) {
    const std::vector<bool> leaves = streamed_blocks(network.blocks, resident);
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < blocks.size(); ++i) bytes += leaves[i] ? 0 : blocks[i];
    network.resident_bytes.push_back(bytes);
  }
  network.blocks_bytes = network.resident_bytes.back();
}

}  // namespace

NetworkSizes network_sizes(const std::string& path, const std::string& dtype, NetworkPrecision precision) {
  network_archive(path);  // says what another file is
  NetworkSizes sizes;
  std::vector<NamedTensor> tensors;
  std::vector<StreamedSize> streamed;
  std::vector<std::pair<std::string, std::int64_t>> decoder;  // its matrices that are streamed
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
    } else {
      decoder.push_back({name, static_cast<std::int64_t>(bytes)});
    }
    streamed.push_back({*place, bytes});
  }
  if (precision == NetworkPrecision::fp8) quantize(streamed, sizes);
  std::int64_t folded = 0;
  if (precision != NetworkPrecision::reference) {
    folded = folded_bytes(tensors);
    sizes.other_bytes += folded;
    if (sizes.pixel_decoder_weights > 0)
      sizes.pixel_decoder_weights += folded / static_cast<std::int64_t>(sizeof(float));
  }
  sizes.ring_bytes = static_cast<std::int64_t>(ring_bytes(streamed));
  const bool float16 =
      sizes.dtype == at::kBFloat16 && decoder_precision(precision) == NetworkPrecision::float16;
  for (const auto& [name, bytes] : decoder) {
    sizes.decoder_bytes += bytes;
    const bool replaced = (folded > 0 && is_folded_factor(name)) || (float16 && is_decoder_parameter(name));
    if (!replaced) sizes.copied_decoder_bytes += bytes;
  }
  add_resident_bytes(streamed, sizes);
  return sizes;
}

}  // namespace dinov3_seg
