// The weights of a network that are needed one block at a time.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dinov3_seg {

/// A tensor of two or more dimensions, as an attribute of the module that holds it.
struct BlockMatrix {
  torch::jit::Module owner;
  std::string name;

  at::Tensor tensor() const { return owner.attr(name).toTensor(); }
};

/// The matrices of each block of the network's backbone, in the order of the blocks: nearly all of its bytes.
/// Vectors are not among them; a block's last one is read by the block after it. Empty for a network that
/// convert did not make.
std::vector<std::vector<BlockMatrix>> block_matrices(const torch::jit::Module& module);

/// The blocks that leave the device where `resident` of `blocks` stay on it, ascending: spread evenly, since
/// the copies of the others run while these compute.
std::vector<std::int64_t> streamed_blocks(std::int64_t blocks, std::int64_t resident);

/// Number of the block that a parameter's path is in (`….blocks.3.attn.qkv.weight`); -1 where it is in none.
std::int64_t block_of(const std::vector<std::string>& path);

}  // namespace dinov3_seg
