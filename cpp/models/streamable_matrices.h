// The weights of a network that are needed one at a time, in the order in which a pass needs them.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dinov3_seg {

/// Where in a pass a layer comes: parts follow one another, and so do a part's layers and a layer's steps.
struct LayerPlace {
  /// 0: the backbone's blocks; then a segmentor's adapter, pixel decoder and predictor.
  std::int64_t part = 0;
  std::int64_t layer = 0;
  std::int64_t step = 0;

  bool in_backbone() const { return part == 0; }
  auto operator<=>(const LayerPlace&) const = default;
};

/// Of the layer that a parameter's or a module's path is in (`….blocks.3.attn.qkv`); nothing for others.
std::optional<LayerPlace> layer_place(const std::string& path);

/// A tensor of two dimensions, as an attribute of the module that holds it.
struct StreamableMatrix {
  torch::jit::Module owner;
  std::string name;
  LayerPlace place;

  at::Tensor tensor() const { return owner.attr(name).toTensor(); }
};

/// The matrices of the layers of backbone and decoder, nearly all of a network's bytes. Vectors are not among
/// them, nor what is read outside a pass (class_embed). Empty for a network that convert did not make.
std::vector<StreamableMatrix> streamable_matrices(const torch::jit::Module& module);

/// Number of the backbone's blocks.
std::int64_t block_count(const std::vector<StreamableMatrix>& matrices);

/// Those that leave the device where `resident` of the backbone's blocks stay on it: of the other blocks, and
/// of the decoder's layers, whose copies run while the decoder computes. The blocks are spread evenly, since
/// the copies of the others run while these compute. None where all blocks stay.
/// Which blocks these are, by their numbers.
std::vector<bool> streamed_blocks(std::int64_t blocks, std::int64_t resident);
std::vector<StreamableMatrix> streamed_matrices(const std::vector<StreamableMatrix>& matrices,
                                                std::int64_t resident);

/// Size of a matrix that is streamed.
struct StreamedSize {
  LayerPlace place;
  std::size_t bytes = 0;
};

/// As libtorch's allocators align what they give: products choose their kernels by this, too.
std::size_t aligned_bytes(std::size_t bytes);

/// Bytes of the memory on the device through which the matrices go: of the largest block, and at least of two
/// of the largest matrices. The next matrices of a block are then copied while one of them computes.
std::size_t ring_bytes(const std::vector<StreamedSize>& sizes);

}  // namespace dinov3_seg
