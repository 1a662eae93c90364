#include "models/product_inputs.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <vector>

#include "ops/network_ops.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

constexpr const char* input_operator = "dinov3_seg::product_input";

thread_local Float16Range* current_range = nullptr;

void product_input(Stack& stack) {
  const auto dtype = static_cast<at::ScalarType>(pop(stack).toInt());
  const at::Tensor x = pop(stack).toTensor();
  if (dtype == at::kHalf && current_range) {
    at::Tensor largest = current_range->largest();
    push(stack, to_float16(x, largest));
  } else {
    push(stack, x.to(dtype));
  }
}

const RegisterOperators input_registered({Operator(
    "dinov3_seg::product_input(Tensor x, int dtype) -> Tensor", [](Stack& stack) { product_input(stack); },
    c10::AliasAnalysisKind::CONSERVATIVE)});

/// Whether a value is a module's tensor, or a view of one.
bool is_weight(const Value* value) {
  const Node* node = value->node();
  while (node->kind() == aten::flatten || node->kind() == aten::reshape) node = node->input(0)->node();
  return node->kind() == prim::GetAttr;
}

bool casts_to_weight(const Node* node) {
  if (node->kind() != aten::to || node->inputs().size() < 2) return false;
  const Node* dtype = node->input(1)->node();
  return dtype->kind() == prim::dtype && is_weight(dtype->input());
}

void record(Graph& graph, Block& block) {
  const std::vector<Node*> nodes(block.nodes().begin(), block.nodes().end());
  for (Node* node : nodes) {
    for (Block* inner : node->blocks()) record(graph, *inner);
    if (!casts_to_weight(node)) continue;
    Node* input = graph.create(c10::Symbol::fromQualString(input_operator), node->inputs().slice(0, 2), 1);
    input->insertBefore(node);
    input->output()->setType(node->output()->type());
    node->output()->replaceAllUsesWith(input->output());
    node->destroy();
  }
}

}  // namespace

Float16Range::Float16Range(c10::Device device)
    : largest_(at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(device))), before_(current_range) {
  current_range = this;
}

Float16Range::~Float16Range() { current_range = before_; }

Float16Range* Float16Range::current() { return current_range; }

void record_product_inputs(Graph& graph) { record(graph, *graph.block()); }

}  // namespace dinov3_seg
