#include "models/await_weights.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

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

/// The names by which a chain of GetAttr nodes comes from `self` to `value`; nothing for another value.
std::optional<std::vector<std::string>> path_of(const Value* value, const Value* self) {
  std::vector<std::string> path;
  while (value != self) {
    const Node* node = value->node();
    if (node->kind() != prim::GetAttr) return std::nullopt;
    path.push_back(node->s(attr::name));
    value = node->input();
  }
  std::reverse(path.begin(), path.end());
  return path;
}

bool is_matrix(const Module& module, const std::vector<std::string>& path) {
  c10::IValue value = module._ivalue();
  for (const std::string& name : path) value = value.toObjectRef().getAttr(name);
  return value.isTensor() && value.toTensor().dim() >= 2;
}

/// Whether a node gets a matrix whose values are used: a dtype is known without them.
bool reads_matrix(const Node* node, const Value* self, const Module& module) {
  if (node->kind() != prim::GetAttr || node->output()->type()->kind() != TypeKind::TensorType) return false;
  const auto path = path_of(node->output(), self);
  if (!path || !is_matrix(module, *path)) return false;
  return std::ranges::any_of(node->output()->uses(),
                             [](const Use& use) { return use.user->kind() != prim::dtype; });
}

void add_to(Graph& graph, Block& nodes, const Module& module) {
  const auto name = c10::Symbol::fromQualString(await_operator);
  for (Node* node : nodes.nodes()) {
    for (Block* inner : node->blocks()) add_to(graph, *inner, module);
    if (reads_matrix(node, graph.inputs().at(0), module))
      graph.create(name, {node->output()}, 0)->insertAfter(node);
  }
}

}  // namespace

void add_weight_awaits(Graph& graph, const Module& module) {
  if (!graph.inputs().empty()) add_to(graph, *graph.block(), module);
}

}  // namespace dinov3_seg
