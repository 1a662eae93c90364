// What a TorchScript method runs, as opposed to what its file holds.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace dinov3_seg {

/// Takes the methods and functions that the method `name` calls into its graph, puts fused operators in
/// (fuse.h) and those for quantised weights (quantized_graph.h), keeps what depends on sizes alone
/// (size_constants.h), records what goes into products in float16 (product_inputs.h), and puts a look at the
/// job's flag (check_cancelled) before every operator and into every loop. Only what is run changes: a module
/// that is saved afterwards is written as it was. Must be called before the method is first run; nothing
/// happens without such a method.
void run_graph_passes(const torch::jit::Module& module, const char* name);

/// Puts a look at the job's flag into every loop, and before every call that is settled at run time, of all
/// functions of the module's code: those that run_graph_passes() could not take in, and those that run when a
/// network is saved. To be called after run_graph_passes().
void guard_functions(const torch::jit::Module& module);

}  // namespace dinov3_seg
