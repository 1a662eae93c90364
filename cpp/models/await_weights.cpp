#include "models/await_weights.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/attribute_path.h"
#include "models/weight_stream.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

constexpr const char* await_operator = "dinov3_seg::await_weights";

void await_weights(Stack& stack) {
  const at::Tensor matrix = pop(stack).toTensor();
  if (WeightStream* stream = StreamInUse::current()) stream->await(matrix);
}

// Conservative: neither removed nor moved.
const RegisterOperators await_registered({Operator(
    "dinov3_seg::await_weights(Tensor matrix) -> ()", [](Stack& stack) { await_weights(stack); },
    c10::AliasAnalysisKind::CONSERVATIVE)});

bool is_matrix(const Module& module, const std::vector<std::string>& path) {
  const c10::IValue value = attribute_of(module, path);
  return value.isTensor() && value.toTensor().dim() >= 2;
}

/// Whether a node gets a matrix whose values are used: a dtype is known without them.
bool reads_matrix(const Node* node, const Value* self, const Module& module) {
  if (node->kind() != prim::GetAttr || node->output()->type()->kind() != TypeKind::TensorType) return false;
  const auto path = attribute_path(node->output(), self);
  if (!path || !is_matrix(module, *path)) return false;
  return std::ranges::any_of(node->output()->uses(),
                             [](const Use& use) { return use.user->kind() != prim::dtype; });
}

const auto await_symbol = c10::Symbol::fromQualString(await_operator);

void add_to(Graph& graph, Block& nodes, const Module& module) {
  for (Node* node : nodes.nodes()) {
    for (Block* inner : node->blocks()) add_to(graph, *inner, module);
    if (reads_matrix(node, graph.inputs().at(0), module))
      graph.create(await_symbol, {node->output()}, 0)->insertAfter(node);
  }
}

void collect(Block& nodes, const Value* self, const Module& module, std::vector<at::Tensor>& matrices) {
  for (Node* node : nodes.nodes()) {
    for (Block* inner : node->blocks()) collect(*inner, self, module, matrices);
    if (node->kind() != await_symbol) continue;
    if (const auto path = attribute_path(node->input(), self))
      matrices.push_back(attribute_of(module, *path).toTensor());
  }
}

}  // namespace

void add_weight_awaits(Graph& graph, const Module& module) {
  if (!graph.inputs().empty()) add_to(graph, *graph.block(), module);
}

std::vector<at::Tensor> awaited_matrices(const Module& module, const std::string& name) {
  std::vector<at::Tensor> matrices;
  const auto method = module.find_method(name);
  GraphFunction* function = method ? tryToGraphFunction(method->function()) : nullptr;
  if (!function) return matrices;
  const GraphOptimizerEnabledGuard plain_interpreter(false);
  const auto graph = function->optimized_graph();
  if (!graph->inputs().empty()) collect(*graph->block(), graph->inputs().at(0), module, matrices);
  return matrices;
}

}  // namespace dinov3_seg
