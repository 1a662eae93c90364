#include "models/module_tree.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

constexpr const char* type_prefix = "__torch__.dinov3_seg";

SugaredValuePtr simple(Value* value) { return std::make_shared<SimpleValue>(value); }

/// `torch` in the sources: libtorch's operators and the dtypes they need.
struct TorchNamespace : SugaredValue {
  std::string kind() const override { return "torch"; }
  std::shared_ptr<SugaredValue> attr(const SourceRange& where, GraphFunction& function,
                                     const std::string& field) override {
    static const std::map<std::string, at::ScalarType> dtypes = {
        {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}, {"float32", at::kFloat}};
    if (const auto dtype = dtypes.find(field); dtype != dtypes.end()) {
      return simple(function.graph()->insertConstant(static_cast<int64_t>(dtype->second)));
    }
    return BuiltinModule("aten").attr(where, function, field);
  }
};

/// `children(module)`: the modules inside it, as a tuple that loops unroll over.
struct ChildrenFunction : SugaredValue {
  std::string kind() const override { return "children"; }
  std::shared_ptr<SugaredValue> call(const SourceRange& where, GraphFunction& function,
                                     at::ArrayRef<NamedValue> args, at::ArrayRef<NamedValue>,
                                     size_t) override {
    Graph& graph = *function.graph();
    Value* parent = args.at(0).value(graph);
    const auto type = parent->type()->expect<c10::ClassType>();
    std::vector<SugaredValuePtr> found;
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      if (!type->getAttribute(i)->is_module()) continue;
      found.push_back(simple(graph.insertGetAttr(parent, type->getAttributeName(i))));
    }
    return std::make_shared<SugaredTupleValue>(std::move(found));
  }
};

/// The free names of the sources: torch, children, the constants and the functions compiled so far.
struct SourceResolver : Resolver {
  SourceResolver(std::shared_ptr<CompilationUnit> unit, std::map<std::string, c10::IValue> constants)
      : unit_(std::move(unit)), constants_(std::move(constants)) {}

  std::shared_ptr<SugaredValue> resolveValue(const std::string& name, GraphFunction& function,
                                             const SourceRange& where) override {
    if (name == "torch") return std::make_shared<TorchNamespace>();
    if (name == "children") return std::make_shared<ChildrenFunction>();
    if (const auto constant = constants_.find(name); constant != constants_.end()) {
      return simple(function.graph()->insertConstant(constant->second, where));
    }
    const auto unit = unit_.lock();
    Function* found = unit->find_function(c10::QualifiedName(type_prefix, name));
    return found ? std::make_shared<FunctionValue>(found) : nullptr;
  }

 private:
  std::weak_ptr<CompilationUnit> unit_;  // the unit keeps its functions, and they their resolver
  std::map<std::string, c10::IValue> constants_;
};

/// A checkpoint's names as a tree; children in the order of first mention.
struct Node {
  std::vector<std::pair<std::string, Node>> children;
  at::Tensor tensor;             ///< of a leaf
  std::optional<Module> module;  ///< of one that is taken as it is

  Node& child(const std::string& name) {
    for (auto& [known, node] : children) {
      if (known == name) return node;
    }
    return children.emplace_back(name, Node()).second;
  }
};

Node grow_tree(const std::vector<NamedTensor>& tensors, const std::map<std::string, Module>& parts) {
  Node root;
  const auto place = [&](const std::string& name) -> Node& {
    Node* node = &root;
    std::size_t start = 0;
    for (std::size_t dot; (dot = name.find('.', start)) != std::string::npos; start = dot + 1) {
      node = &node->child(name.substr(start, dot - start));
    }
    return node->child(name.substr(start));
  };
  for (const auto& [name, tensor] : tensors) place(name).tensor = tensor;
  for (const auto& [name, module] : parts) place(name).module = module;
  return root;
}

class TreeBuilder {
 public:
  TreeBuilder(const ScriptLibrary& library, const std::map<std::string, c10::IValue>& constants)
      : library_(library),
        unit_(std::make_shared<CompilationUnit>()),
        resolver_(std::make_shared<SourceResolver>(unit_, constants)) {
    for (const auto& function : library.functions) {
      unit_->define(c10::QualifiedName(type_prefix), {}, {}, {function}, {resolver_}, nullptr);
    }
  }

  Module build(const Node& node, const std::string& class_name, const std::string& path) {
    const auto found = library_.classes.find(class_name);
    if (found == library_.classes.end())
      fail("INTERNAL", "No TorchScript class ", class_name, " for ", path, ".");
    const ScriptClass& source = found->second;
    for (const auto& [name, field] : source.fields) {
      const bool present = std::any_of(node.children.begin(), node.children.end(),
                                       [&](const auto& child) { return child.first == name; });
      if (!present && !field.optional)
        fail("INTERNAL", "The network needs ", path, name, ", which is missing.");
    }
    std::vector<Slot> slots;
    for (const auto& [name, child] : node.children) {
      const auto field = source.fields.find(name);
      if (field == source.fields.end()) {
        fail("INTERNAL", "TorchScript class ", class_name, " has no field ", name, " for ", path, name, ".");
      }
      slots.push_back(make_slot(name, child, field->second, path + name + "."));
    }
    return assemble(class_name, slots, &source.methods);
  }

 private:
  struct Slot {
    std::string name;
    FieldKind kind;
    at::Tensor tensor;
    std::optional<Module> module;
  };

  Slot make_slot(const std::string& name, const Node& node, const ScriptField& field,
                 const std::string& path) {
    if (field.kind == FieldKind::module && node.module) return {name, field.kind, {}, node.module};
    const bool is_tensor = field.kind == FieldKind::parameter || field.kind == FieldKind::buffer;
    if (is_tensor != node.tensor.defined() || is_tensor != node.children.empty()) {
      fail("INTERNAL", "The field ", path, " is ", is_tensor ? "" : "not ", "declared as a tensor.");
    }
    if (is_tensor) return {name, field.kind, node.tensor.detach(), std::nullopt};
    if (field.kind == FieldKind::module) return {name, field.kind, {}, build(node, field.class_name, path)};
    std::vector<Slot> items;
    for (const auto& [index, item] : node.children) {
      items.push_back({index, FieldKind::module, {}, build(item, field.class_name, path + index + ".")});
    }
    return {name, field.kind, {}, assemble("ModuleList", items, nullptr)};
  }

  Module assemble(const std::string& class_name, const std::vector<Slot>& slots,
                  const std::vector<Def>* methods) {
    std::string signature = class_name;
    for (const auto& slot : slots) {
      signature += " " + slot.name + ":";
      signature += slot.module ? slot.module->type()->name()->qualifiedName()
                               : (slot.kind == FieldKind::parameter ? "P" : "B");
    }
    const auto known = types_.find(signature);
    Module module = known == types_.end()
                        ? Module(c10::QualifiedName(type_prefix, class_name), unit_, /*shouldMangle=*/true)
                        : Module(unit_, known->second);
    module.register_attribute("training", c10::BoolType::get(), false);
    for (const auto& slot : slots) {
      if (slot.module) {
        module.register_module(slot.name, *slot.module);
      } else if (slot.kind == FieldKind::parameter) {
        module.register_parameter(slot.name, slot.tensor, /*is_buffer=*/false);
      } else {
        module.register_buffer(slot.name, slot.tensor);
      }
    }
    if (known != types_.end()) return module;
    types_.emplace(signature, module.type());
    if (methods) {
      const SimpleSelf self(module.type());
      const std::vector<ResolverPtr> resolvers(methods->size(), resolver_);
      unit_->define(module.type()->name(), {}, {}, *methods, resolvers, &self);
    }
    return module;
  }

  const ScriptLibrary& library_;
  std::shared_ptr<CompilationUnit> unit_;
  ResolverPtr resolver_;
  std::map<std::string, c10::ClassTypePtr> types_;  ///< by class and fields
};

}  // namespace

Module build_module(const ScriptLibrary& library, const std::string& root,
                    const std::map<std::string, c10::IValue>& constants,
                    const std::vector<NamedTensor>& tensors, const std::map<std::string, Module>& parts) {
  return TreeBuilder(library, constants).build(grow_tree(tensors, parts), root, "");
}

}  // namespace dinov3_seg
