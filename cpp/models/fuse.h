// Fused operators in a network that was loaded: its file holds plain libtorch, the copies of its graphs that
// are run hold the operators of ops/network_ops.h.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace dinov3_seg {

/// Puts operators in the place of calls of the functions that the networks' sources have for this (add_norm,
/// deformable_attend, rotate_qkv, gated), in a graph and the blocks in it. Functions of other names stay.
void fuse_functions(torch::jit::Graph& graph);

}  // namespace dinov3_seg
