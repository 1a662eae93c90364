#include "models/await_weights.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "models/block_matrices.h"
#include "models/weight_stream.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

constexpr const char* await_operator = "dinov3_seg::await_weights";

void await_weights(Stack& stack) {
  const int64_t block = pop(stack).toInt();
  if (WeightStream* stream = StreamInUse::current()) stream->await(block);
}

// Conservative: neither removed nor moved.
const RegisterOperators await_registered({Operator(
    "dinov3_seg::await_weights(int block) -> ()", [](Stack& stack) { await_weights(stack); },
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

// Beside the numbers of blocks: what a pass is at.
constexpr int64_t elsewhere = -1;  // also what await() is told when the blocks are done
constexpr int64_t unknown = -2;    // one block or another

/// The block whose matrix a node reads, `elsewhere` for another part's tensor; nothing for other nodes, and
/// for a block's vectors.
std::optional<int64_t> part_read_by(const Node* node, const Value* self, const Module& module) {
  const bool reads = node->kind() == prim::GetAttr && node->output()->type()->kind() == TypeKind::TensorType;
  const auto path = reads ? path_of(node->output(), self) : std::nullopt;
  if (!path) return std::nullopt;
  const int64_t block = block_of(*path);
  if (block < 0) return elsewhere;
  return is_matrix(module, *path) ? std::optional(block) : std::nullopt;
}

/// `at`: what every way to here is at. Returns the same of what follows.
int64_t add_to(Graph& graph, Block& nodes, int64_t at, const Module& module) {
  const auto name = c10::Symbol::fromQualString(await_operator);
  for (Node* node : nodes.nodes()) {
    const int64_t before = node->kind() == prim::Loop ? unknown : at;
    for (Block* inner : node->blocks())
      if (add_to(graph, *inner, before, module) != at) at = unknown;
    const auto part = part_read_by(node, graph.inputs().at(0), module);
    if (!part || *part == at) continue;
    at = *part;
    Node* await = graph.create(name, 0);
    await->insertBefore(node);
    const WithInsertPoint here(await);
    await->addInput(graph.insertConstant(at));
  }
  return at;
}

}  // namespace

void add_weight_awaits(Graph& graph, const Module& module) {
  if (!graph.inputs().empty()) add_to(graph, *graph.block(), elsewhere, module);
}

}  // namespace dinov3_seg
