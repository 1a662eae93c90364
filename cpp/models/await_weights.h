// Where graphs wait for weights that are streamed.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

namespace dinov3_seg {

/// Puts a call of WeightStream::await, of the stream that the thread uses then (StreamInUse), into a graph
/// wherever it gets a matrix. The package's networks use a matrix up before they get the next one; the next
/// may come into its place then. `module` is the graph's first argument; no calls may be left in the graph.
void add_weight_awaits(torch::jit::Graph& graph, const torch::jit::Module& module);

/// The matrices that the method `name` awaits, in its order, streamed or not. To be called after
/// run_graph_passes(); nothing for a method that is not there.
std::vector<at::Tensor> awaited_matrices(const torch::jit::Module& module, const std::string& name);

}  // namespace dinov3_seg
