// Graphs whose weights are quantised (quantized_blocks.h).
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

namespace dinov3_seg {

/// Puts scaled_linear in the place of linears whose weight is quantised, and quantises their inputs once: in
/// the norm or the SwiGLU that they come from, where nothing else reads those. Whoever asks for such a
/// weight's dtype gets bfloat16, what its products are in. `module` is the graph's first argument; no calls
/// may be left in the graph. Nothing changes without quantised weights.
void quantize_linears(torch::jit::Graph& graph, const torch::jit::Module& module);

}  // namespace dinov3_seg
