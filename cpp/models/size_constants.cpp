#include "models/size_constants.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ops/cuda_graph.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

/// Functions of the sources (common.py, deformable_attention.py, plain_detr.py) whose results follow from
/// their numbers, and from the dtype of the tensor that they are to be like. Tensors of a call are not looked
/// at beyond that.
constexpr std::array<std::string_view, 5> functions = {"sine_positions", "sine_side", "sine_lengths",
                                                       "cell_centres", "proposal_places"};
/// The one class with such a method, and with weights of its own (vit.py); a network has one.
constexpr std::string_view rope = "RopeEmbed";

thread_local SizeConstants* current = nullptr;

void is_kept(Stack& stack) {
  const c10::IValue arguments = pop(stack);
  const std::string function = pop(stack).toStringRef();
  push(stack, current && current->find(function, arguments) != nullptr);
}

void kept(Stack& stack) {
  const c10::IValue arguments = pop(stack);
  const std::string function = pop(stack).toStringRef();
  push(stack, *current->find(function, arguments));
}

void keep(Stack& stack) {
  c10::IValue result = pop(stack), arguments = pop(stack);
  std::string function = pop(stack).toStringRef();
  // What is recorded is not computed yet, and its memory is the recording's.
  if (current && !CudaGraph::is_recording())
    current->keep(std::move(function), std::move(arguments), std::move(result));
}

Operator conservative(const char* schema, void (*function)(Stack&)) {
  return Operator(
      schema, [function](Stack& stack) { function(stack); }, c10::AliasAnalysisKind::CONSERVATIVE);
}

const RegisterOperators constants_registered({
    conservative("dinov3_seg::is_kept(str function, Any arguments) -> bool", is_kept),
    conservative("dinov3_seg::kept(str function, Any arguments) -> Any", kept),
    conservative("dinov3_seg::keep(str function, Any arguments, Any result) -> ()", keep),
});

/// The name of what a call gives if that follows from sizes; empty for other nodes.
std::string name_of(Node* node) {
  if (node->kind() != prim::CallFunction && node->kind() != prim::CallMethod) return {};
  const GraphFunction* function = tryToGraphFunction(node);
  if (!function) return {};
  const c10::QualifiedName& name = function->qualname();
  if (node->kind() == prim::CallFunction) {
    const bool listed = std::ranges::find(functions, name.name()) != functions.end();
    return listed && name.prefix() == "__torch__.dinov3_seg" ? name.name() : std::string();
  }
  const c10::QualifiedName owner(name.prefix());
  const bool is_rope = owner.name().starts_with(rope) && name.name() == "forward" &&
                       owner.qualifiedName().starts_with("__torch__.dinov3_seg.");
  return is_rope ? std::string(rope) : std::string();
}

/// A tuple of the call's numbers, and of the dtypes of its tensors.
Value* arguments_of(Graph& graph, Node* call) {
  std::vector<Value*> arguments;
  for (Value* input : call->inputs().slice(1)) {
    if (input->type()->kind() == TypeKind::TensorType) {
      Node* dtype = graph.create(prim::dtype, {input}, 1)->insertBefore(call);
      dtype->output()->setType(c10::IntType::get());
      input = dtype->output();
    }
    arguments.push_back(input);
  }
  return graph.createTuple(arguments)->insertBefore(call)->output();
}

Node* operator_node(Graph& graph, const char* name, at::ArrayRef<Value*> inputs, size_t outputs) {
  return graph.create(c10::Symbol::fromQualString(name), inputs, outputs);
}

void wrap(Graph& graph, Node* call, const std::string& name) {
  const WithInsertPoint here(call);
  Value* function = graph.insertConstant(name);
  Value* arguments = arguments_of(graph, call);
  Node* asked = operator_node(graph, "dinov3_seg::is_kept", {function, arguments}, 1)->insertBefore(call);
  asked->output()->setType(c10::BoolType::get());
  Node* branch = graph.create(prim::If, {asked->output()}, 0)->insertBefore(call);
  Block* found = branch->addBlock();
  Node* recall = found->appendNode(operator_node(graph, "dinov3_seg::kept", {function, arguments}, 1));
  recall->output()->setType(call->output()->type());
  found->registerOutput(recall->output());
  Value* result = branch->addOutput()->setType(call->output()->type());
  call->output()->replaceAllUsesWith(result);
  Block* computed = branch->addBlock();
  call->moveBefore(computed->return_node());
  computed->appendNode(operator_node(graph, "dinov3_seg::keep", {function, arguments, call->output()}, 0));
  computed->registerOutput(call->output());
}

void keep_in(Graph& graph, Block& block) {
  const std::vector<Node*> nodes(block.nodes().begin(), block.nodes().end());
  for (Node* node : nodes) {
    for (Block* inner : node->blocks()) keep_in(graph, *inner);
    if (const std::string name = name_of(node); !name.empty()) wrap(graph, node, name);
  }
}

}  // namespace

const c10::IValue* SizeConstants::find(const std::string& function, const c10::IValue& arguments) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& each) { return each.function == function && each.arguments == arguments; });
  return found == entries_.end() ? nullptr : &found->result;
}

void SizeConstants::keep(std::string function, c10::IValue arguments, c10::IValue result) {
  entries_.push_back({std::move(function), std::move(arguments), std::move(result)});
}

SizeConstantsInUse::SizeConstantsInUse(SizeConstants* constants) : before_(current) { current = constants; }

SizeConstantsInUse::~SizeConstantsInUse() { current = before_; }

void keep_size_constants(Graph& graph) { keep_in(graph, *graph.block()); }

}  // namespace dinov3_seg
