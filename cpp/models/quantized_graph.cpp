#include "models/quantized_graph.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "models/attribute_path.h"
#include "models/quantized_blocks.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

const auto quantize_rows_symbol = c10::Symbol::fromQualString("dinov3_seg::quantize_rows");
const auto scaled_linear_symbol = c10::Symbol::fromQualString("dinov3_seg::scaled_linear");

/// An operator that makes values and scales, and the one that makes the same quantised.
struct Producer {
  c10::Symbol plain, quantized;
  std::size_t output;  // of the plain one, that which is quantised: its last
  std::size_t inputs;  // that both take
};

const Producer producers[] = {
    {c10::Symbol::fromQualString("dinov3_seg::add_scaled_norm"),
     c10::Symbol::fromQualString("dinov3_seg::add_scaled_norm_quantized"), 1, 6},
    {c10::Symbol::fromQualString("dinov3_seg::swiglu"),
     c10::Symbol::fromQualString("dinov3_seg::swiglu_quantized"), 0, 2},
};

std::vector<Node*> all_nodes(Block& block) {
  std::vector<Node*> nodes;
  for (Node* node : block.nodes()) {
    nodes.push_back(node);
    for (Block* inner : node->blocks())
      for (Node* each : all_nodes(*inner)) nodes.push_back(each);
  }
  return nodes;
}

class LinearQuantizer {
 public:
  LinearQuantizer(Graph& graph, const Module& module) : graph_(graph), module_(module) {}

  bool run() {
    bool found = false;
    for (Node* node : all_nodes(*graph_.block())) {
      if (node->kind() == prim::dtype && reads_quantized(node->input())) {
        const WithInsertPoint here(node);
        node->output()->replaceAllUsesWith(graph_.insertConstant(static_cast<int64_t>(at::kBFloat16)));
      } else if (node->kind() == aten::linear && reads_quantized(node->input(1))) {
        replace(node);
        found = true;
      }
    }
    return found;
  }

  /// Puts the quantised producers in, where only quantize_rows reads what they make.
  void fuse() {
    for (const auto& [value, quantize] : quantized_)
      for (const Producer& producer : producers)
        if (value->node()->kind() == producer.plain && value->offset() == producer.output &&
            value->uses().size() == 1)
          fuse(value->node(), quantize, producer);
  }

 private:
  bool reads_quantized(const Value* value) const {
    const auto path = attribute_path(value, graph_.inputs().at(0));
    if (!path) return false;
    const c10::IValue held = attribute_of(module_, *path);
    return held.isTensor() && is_quantized(held.toTensor());
  }

  /// What is quantised for a linear's input: what was cast for it, which quantising does itself.
  static Value* source_of(Value* input) {
    while (input->node()->kind() == aten::to) input = input->node()->input(0);
    return input;
  }

  Node* quantized(Value* source) {
    Node*& node = quantized_[source];
    if (node) return node;
    node = graph_.create(quantize_rows_symbol, {source}, 2);
    for (Value* output : node->outputs()) output->setType(c10::TensorType::get());
    // Here all who read the source can read it.
    if (source->node()->kind() == prim::Param)
      source->node()->owningBlock()->prependNode(node);
    else
      node->insertAfter(source->node());
    return node;
  }

  void replace(Node* linear) {
    Node* rows = quantized(source_of(linear->input(0)));
    Value* weight = linear->input(1);
    Node* scales = graph_.createGetAttr(weight->node()->input(), weight_scales_name)->insertBefore(linear);
    Node* scaled =
        graph_.create(scaled_linear_symbol,
                      {rows->output(0), rows->output(1), weight, scales->output(), linear->input(2)}, 1);
    scaled->insertBefore(linear);
    scaled->output()->setType(c10::TensorType::get());
    linear->output()->replaceAllUsesWith(scaled->output());
    linear->destroy();
  }

  void fuse(Node* plain, Node* quantize, const Producer& producer) {
    Node* node =
        graph_.create(producer.quantized, plain->inputs().slice(0, producer.inputs), producer.output + 2);
    node->insertBefore(plain);
    for (Value* output : node->outputs()) output->setType(c10::TensorType::get());
    for (std::size_t i = 0; i < producer.output; ++i) plain->output(i)->replaceAllUsesWith(node->output(i));
    for (std::size_t i = 0; i < 2; ++i)
      quantize->output(i)->replaceAllUsesWith(node->output(producer.output + i));
    quantize->destroy();
    plain->destroy();
  }

  Graph& graph_;
  const Module& module_;
  std::unordered_map<Value*, Node*> quantized_;  // quantize_rows by what it quantises
};

}  // namespace

void quantize_linears(Graph& graph, const Module& module) {
  if (graph.inputs().empty()) return;
  LinearQuantizer quantizer(graph, module);
  if (!quantizer.run()) return;
  // Casts that nobody reads any longer, and the weights that were read for their dtype alone.
  EliminateDeadCode(graph.block());
  quantizer.fuse();
}

}  // namespace dinov3_seg
