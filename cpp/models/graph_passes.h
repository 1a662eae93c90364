// What a TorchScript method runs, as opposed to what its file holds.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace dinov3_seg {

/// Takes the methods and functions that the method `name` calls into its graph, puts fused operators in
/// (fuse.h) and those for quantised weights (quantized_graph.h), keeps what depends on sizes alone
/// (size_constants.h), records what goes into products in float16 (product_inputs.h), and puts a look at the
/// job's flag (check_cancelled) before every operator. Only what is run changes: a module that is saved
/// afterwards is written as it was. Must be called before the method is first run; nothing happens without
/// such a method.
void run_graph_passes(const torch::jit::Module& module, const char* name);

}  // namespace dinov3_seg
