// Where graphs wait for weights that are streamed.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

namespace dinov3_seg {

/// Puts a call of WeightStream::await into a graph wherever it goes on to the matrices of another block.
/// `module` is the graph's first argument; no calls may be left in the graph. For resident weights the call
/// does nothing.
void add_weight_awaits(torch::jit::Graph& graph, const torch::jit::Module& module);

}  // namespace dinov3_seg
