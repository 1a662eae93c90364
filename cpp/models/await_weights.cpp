#include "models/await_weights.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

#include <optional>
#include <string>
#include <vector>

#include "models/attribute_path.h"
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

bool is_matrix(const Module& module, const std::vector<std::string>& path) {
  const c10::IValue value = attribute_of(module, path);
  return value.isTensor() && value.toTensor().dim() >= 2;
}

// Beside the numbers of blocks: what a pass is at.
constexpr int64_t elsewhere = -1;  // also what await() is told when the blocks are done
constexpr int64_t unknown = -2;    // one block or another

/// The block whose matrix a node reads, `elsewhere` for another part's tensor; nothing for other nodes, and
/// for a block's vectors.
std::optional<int64_t> part_read_by(const Node* node, const Value* self, const Module& module) {
  const bool reads = node->kind() == prim::GetAttr && node->output()->type()->kind() == TypeKind::TensorType;
  const auto path = reads ? attribute_path(node->output(), self) : std::nullopt;
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
