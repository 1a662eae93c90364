#include "models/graph_passes.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "core/job_control.h"
#include "models/await_weights.h"
#include "models/fuse.h"
#include "models/product_inputs.h"
#include "models/quantized_graph.h"
#include "models/size_constants.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

const auto own_namespace = c10::Symbol::fromQualString("namespaces::dinov3_seg");
constexpr const char* operator_name = "dinov3_seg::check_cancelled";

// Conservative: has side effects as far as libtorch knows, so that it is neither removed nor moved.
const RegisterOperators registered({Operator(
    "dinov3_seg::check_cancelled() -> ()", [](Stack&) { check_cancelled(); },
    c10::AliasAnalysisKind::CONSERVATIVE)});

bool computes(const Node& node) {
  const bool is_operator = node.kind().is_aten() || node.kind().ns() == own_namespace;
  return is_operator && node.outputs().size() > 0 &&
         node.output(0)->type()->isSubtypeOf(*c10::TensorType::get());
}

void add_to(Graph& graph, Block& block) {
  const auto name = c10::Symbol::fromQualString(operator_name);
  for (Node* node : block.nodes()) {
    for (Block* inner : node->blocks()) add_to(graph, *inner);
    if (computes(*node)) graph.create(name, 0)->insertBefore(node);
  }
}

bool calls_functions(Block& block) {
  for (Node* node : block.nodes()) {
    const bool is_call = node->kind() == prim::CallMethod || node->kind() == prim::CallFunction;
    if (is_call && tryToGraphFunction(node)) return true;
    for (Block* inner : node->blocks())
      if (calls_functions(*inner)) return true;
  }
  return false;
}

}  // namespace

void run_graph_passes(const Module& module, const char* name) {
  const auto method = module.find_method(name);
  if (!method) return;
  GraphFunction* function = tryToGraphFunction(method->function());
  if (!function) return;
  // The copy that the executor takes; graph() is the one that is saved.
  const GraphOptimizerEnabledGuard plain_interpreter(false);
  const auto graph = function->optimized_graph();
  // A pass takes in one level of calls; those left over would run without stop points.
  const auto replace_calls = [&] {
    fuse_functions(*graph);
    keep_size_constants(*graph);
  };
  replace_calls();
  while (calls_functions(*graph->block())) {
    Inline(*graph);
    replace_calls();
  }
  quantize_linears(*graph, module);
  record_product_inputs(*graph);
  add_to(*graph, *graph->block());
  add_weight_awaits(*graph, module);
}

}  // namespace dinov3_seg
