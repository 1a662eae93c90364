#include "models/quantized_graph.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/lower_tuples.h>

#include <algorithm>
#include <iterator>
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

  bool is_needed() const {
    return std::ranges::any_of(all_nodes(*graph_.block()), [&](const Node* node) {
      return node->kind() == aten::linear && reads_quantized(node->input(1));
    });
  }

  void replace_linears() {
    for (Node* node : all_nodes(*graph_.block())) {
      if (node->kind() == prim::dtype && reads_quantized(node->input())) {
        const WithInsertPoint here(node);
        node->output()->replaceAllUsesWith(graph_.insertConstant(static_cast<int64_t>(at::kBFloat16)));
      } else if (node->kind() == aten::linear && reads_quantized(node->input(1))) {
        replace(node);
      }
    }
  }

  /// Puts the quantised producers in, where nothing but quantize_rows reads the values that they make.
  void fuse() {
    for (const auto& [value, quantize] : quantized_) {
      const auto producer = std::ranges::find(producers, value->node()->kind(), &Producer::plain);
      if (producer != std::end(producers) && value->offset() == producer->output &&
          is_read_by(value, quantize))
        fuse(value->node(), quantize, *producer);
    }
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

  /// Whether a value is read by one operator, and otherwise asked for its shape alone.
  static bool is_read_by(const Value* value, const Node* reader) {
    return std::ranges::all_of(
        value->uses(), [&](const Use& use) { return use.user == reader || use.user->kind() == aten::size; });
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
    for (std::size_t i = 0; i < 2; ++i)
      quantize->output(i)->replaceAllUsesWith(node->output(producer.output + i));
    quantize->destroy();
    // The values that were to be quantised by those in e4m3: of the same shape.
    for (std::size_t i = 0; i <= producer.output; ++i) plain->output(i)->replaceAllUsesWith(node->output(i));
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
  if (!quantizer.is_needed()) return;
  // A norm comes out of its function in a tuple.
  LowerSimpleTuples(graph.block());
  quantizer.replace_linears();
  // Casts that nobody reads any longer, and the weights that were read for their dtype alone.
  EliminateDeadCode(graph.block());
  quantizer.fuse();
}

}  // namespace dinov3_seg
