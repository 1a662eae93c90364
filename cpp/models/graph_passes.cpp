#include "models/graph_passes.h"

#include <torch/csrc/jit/api/compilation_unit.h>
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

bool is_call(const Node& node) {
  return node.kind() == prim::CallMethod || node.kind() == prim::CallFunction;
}

const auto check_name = c10::Symbol::fromQualString(operator_name);

/// A loop without operators would run for as long as it likes.
void add_to_loop(Graph& graph, Node& loop) {
  for (Block* body : loop.blocks()) graph.create(check_name, 0)->insertAfter(body->param_node());
}

void add_to(Graph& graph, Block& block) {
  for (Node* node : block.nodes()) {
    for (Block* inner : node->blocks()) add_to(graph, *inner);
    if (node->kind() == prim::Loop) add_to_loop(graph, *node);
    if (computes(*node) || is_call(*node)) graph.create(check_name, 0)->insertBefore(node);
  }
}

/// Loops, and calls of interfaces, whose methods are settled at run time.
bool needs_guards(Block& block) {
  for (Node* node : block.nodes()) {
    if (node->kind() == prim::Loop) return true;
    if (is_call(*node) && !tryToGraphFunction(node)) return true;
    for (Block* inner : node->blocks())
      if (needs_guards(*inner)) return true;
  }
  return false;
}

bool is_guarded(Block& block) {
  for (Node* node : block.nodes()) {
    if (node->kind() == check_name) return true;
    for (Block* inner : node->blocks())
      if (is_guarded(*inner)) return true;
  }
  return false;
}

bool calls_functions(Block& block) {
  for (Node* node : block.nodes()) {
    if (is_call(*node) && tryToGraphFunction(node)) return true;
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

void guard_functions(const Module& module) {
  const GraphOptimizerEnabledGuard plain_interpreter(false);
  for (Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    GraphFunction* graph_function = tryToGraphFunction(*function);
    if (!graph_function || !needs_guards(*graph_function->graph()->block())) continue;
    const auto graph = graph_function->optimized_graph();
    if (!is_guarded(*graph->block())) add_to(*graph, *graph->block());
  }
}

}  // namespace dinov3_seg
