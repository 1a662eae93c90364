#include "models/fuse.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace dinov3_seg {
namespace {

using namespace torch::jit;

struct Replacement {
  std::string_view function;  // in the sources, `__torch__.dinov3_seg.` before it
  const char* op;             // with the same arguments
  size_t outputs;             // a function gives several as a tuple
};

constexpr std::array<Replacement, 9> replacements{{
    {"add_norm", "dinov3_seg::add_scaled_norm", 2},
    {"deformable_attend", "dinov3_seg::deformable_attend", 1},
    {"rotate_qkv", "dinov3_seg::rotate_qkv", 1},
    {"gated", "dinov3_seg::swiglu", 1},
    {"add_resized", "dinov3_seg::add_resized", 1},
    {"group_norm_tokens", "dinov3_seg::group_norm_tokens", 1},
    {"depthwise_gelu", "dinov3_seg::depthwise_gelu", 1},
    {"upscaled_norm", "dinov3_seg::upscaled_norm", 1},
    {"box_bias", "dinov3_seg::box_bias", 1},
}};

/// The replacement of a call, or null.
const Replacement* replacement_of(Node* node) {
  if (node->kind() != prim::CallFunction) return nullptr;
  const GraphFunction* function = tryToGraphFunction(node);
  if (!function || function->qualname().prefix() != "__torch__.dinov3_seg") return nullptr;
  const auto found = std::find_if(replacements.begin(), replacements.end(), [&](const Replacement& each) {
    return each.function == function->qualname().name();
  });
  return found == replacements.end() ? nullptr : &*found;
}

void replace(Graph& graph, Node* call, const Replacement& by) {
  Node* op = graph.create(c10::Symbol::fromQualString(by.op), call->inputs().slice(1), by.outputs);
  op->insertBefore(call);
  Value* result = op->output(0);
  if (by.outputs > 1) {
    const auto types = call->output()->type()->expect<c10::TupleType>()->elements();
    for (size_t i = 0; i < by.outputs; ++i) op->output(i)->setType(types[i]);
    result = graph.createTuple(op->outputs())->insertBefore(call)->output();
  } else {
    result->setType(call->output()->type());
  }
  call->output()->replaceAllUsesWith(result);
  call->destroy();
}

void fuse(Graph& graph, Block& block) {
  const std::vector<Node*> nodes(block.nodes().begin(), block.nodes().end());
  for (Node* node : nodes) {
    for (Block* inner : node->blocks()) fuse(graph, *inner);
    if (const Replacement* by = replacement_of(node)) replace(graph, node, *by);
  }
}

}  // namespace

void fuse_functions(Graph& graph) { fuse(graph, *graph.block()); }

}  // namespace dinov3_seg
