#include <ATen/ATen.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/job_control.h"
#include "core/utf8.h"
#include "models/allowed_operators.h"
#include "models/network_check.h"

namespace dinov3_seg {
namespace {

// A graph of the released networks has 50,000 nodes with all calls taken in.
constexpr uint64_t most_nodes = 10'000'000;

/// A value and the type that is declared for it.
struct Declared {
  c10::IValue value;
  c10::TypePtr type;
};

/// Whether the value itself is of the type; what it contains goes to `inside`.
bool is_of(const c10::IValue& value, const c10::TypePtr& type, std::vector<Declared>& inside) {
  using c10::TypeKind;
  switch (type->kind()) {
    case TypeKind::AnyType:
      return true;
    case TypeKind::NoneType:
      return value.isNone();
    case TypeKind::TensorType:
      return value.isTensor();
    case TypeKind::IntType:
      return value.isInt();
    case TypeKind::FloatType:
      return value.isDouble();
    case TypeKind::BoolType:
      return value.isBool();
    case TypeKind::ComplexType:
      return value.isComplexDouble();
    case TypeKind::NumberType:
      return value.isScalar();
    case TypeKind::StringType:
      return value.isString();
    case TypeKind::DeviceObjType:
      return value.isDevice();
    case TypeKind::OptionalType:
      if (!value.isNone()) inside.push_back({value, type->containedType(0)});
      return true;
    case TypeKind::TupleType: {
      if (!value.isTuple()) return false;
      const auto& elements = value.toTupleRef().elements();
      if (elements.size() != type->containedTypeSize()) return false;
      for (size_t i = 0; i < elements.size(); ++i) inside.push_back({elements[i], type->containedType(i)});
      return true;
    }
    case TypeKind::ListType: {
      if (!value.isList()) return false;
      const auto list = value.toList();
      if (*list.elementType() != *type->containedType(0)) return false;
      for (const c10::IValue& item : list.vec()) inside.push_back({item, type->containedType(0)});
      return true;
    }
    case TypeKind::DictType: {
      if (!value.isGenericDict()) return false;
      const auto dict = value.toGenericDict();
      if (*dict.keyType() != *type->containedType(0) || *dict.valueType() != *type->containedType(1))
        return false;
      for (const auto& entry : dict) {
        inside.push_back({entry.key(), type->containedType(0)});
        inside.push_back({entry.value(), type->containedType(1)});
      }
      return true;
    }
    case TypeKind::ClassType:
      return value.isObject() && *value.toObjectRef().type() == *type;
    case TypeKind::InterfaceType:
      return value.isObject() && value.toObjectRef().type()->isSubtypeOf(*type);
    default:
      return value.type()->isSubtypeOf(*type);
  }
}

/// Values, and all that they contain, have the types that are declared for them.
class ValueTypes {
 public:
  explicit ValueTypes(const std::string& path) : path_(path) {}

  void check(const c10::IValue& value, const c10::TypePtr& type, const std::string& name,
             const std::string& owner) {
    check_one(value, type, name, owner);
    while (!objects_.empty()) {
      const c10::IValue each = std::move(objects_.back());
      objects_.pop_back();
      const c10::ivalue::Object& object = each.toObjectRef();
      if (!seen_.insert(&object).second) continue;
      // Not to be freed and made anew at the same place.
      kept_.push_back(each);
      const auto class_type = object.type();
      for (size_t i = 0; i < class_type->numAttributes(); ++i)
        check_one(object.getSlot(i), class_type->getAttribute(i), class_type->getAttributeName(i),
                  class_type->annotation_str());
    }
  }

 private:
  void check_one(const c10::IValue& value, const c10::TypePtr& type, const std::string& name,
                 const std::string& owner) {
    std::vector<Declared> open{{value, type}};
    while (!open.empty()) {
      const Declared field = std::move(open.back());
      open.pop_back();
      if (!is_of(field.value, field.type, open))
        fail("MODEL_FORMAT", path_, ": the field ", printable(name), " of ", printable(owner), " is of type ",
             printable(field.value.tagKind()), ", but its code declares ",
             printable(field.type->annotation_str()),
             ". The file is damaged, or was not written by torch.jit.save: do not use it");
      if (field.value.isObject()) objects_.push_back(field.value);
    }
  }

  const std::string& path_;
  std::unordered_set<const void*> seen_;
  std::vector<c10::IValue> objects_, kept_;
};

class GraphSizes {
 public:
  explicit GraphSizes(const std::string& path) : path_(path) {}

  /// Nodes of a function with all that it calls taken in.
  uint64_t of(torch::jit::GraphFunction& function) {
    const auto known = sizes_.find(&function);
    if (known != sizes_.end()) return known->second;
    check_cancelled();
    sizes_[&function] = 1;
    const uint64_t size = of(*function.graph()->block());
    if (size > most_nodes)
      fail("MODEL_FORMAT", path_, ": ", printable(function.qualname().qualifiedName()),
           " has, with all that it calls, more than ", most_nodes,
           " operators. No network looks like that: do not use the file");
    return sizes_[&function] = size;
  }

 private:
  uint64_t of(torch::jit::Block& block) {
    uint64_t size = 0;
    for (torch::jit::Node* node : block.nodes()) {
      ++size;
      for (torch::jit::Block* inner : node->blocks()) size += of(*inner);
      if (node->kind() != c10::prim::CallMethod && node->kind() != c10::prim::CallFunction) continue;
      if (auto* called = torch::jit::tryToGraphFunction(node)) size += of(*called);
    }
    return size;
  }

  const std::string& path_;
  std::unordered_map<const torch::jit::Function*, uint64_t> sizes_;
};

// What libtorch's compiler makes of statements, beside the operators that the code may name.
constexpr const char* statement_kinds =
    "prim::Constant prim::If prim::Loop prim::GetAttr prim::SetAttr prim::HasAttr prim::CallMethod "
    "prim::CallFunction prim::TupleConstruct prim::TupleUnpack prim::TupleIndex prim::TupleSlice "
    "prim::ListConstruct prim::ListUnpack prim::DictConstruct prim::CreateObject prim::Uninitialized "
    "prim::unchecked_cast prim::isinstance prim::Enter prim::Exit prim::EnumName prim::EnumValue "
    "prim::unchecked_unwrap_optional aten::__not__ aten::__isnot__ aten::__is__ aten::__contains__ aten::len "
    "aten::_set_item aten::Delete aten::add_ aten::sub_ aten::mul_ aten::div_ aten::fmod_ aten::remainder_ "
    "aten::pow_ aten::__iand__ aten::__ior__ aten::__ixor__ aten::__ilshift__ aten::__irshift__ "
    "aten::bitwise_not aten::index_put_ aten::floordiv aten::pow aten::matmul aten::_assert_int_or_pair";

const std::unordered_set<std::string>& kinds_of_statements() {
  static const auto* kinds = [] {
    std::istringstream words(statement_kinds);
    return new std::unordered_set<std::string>(std::istream_iterator<std::string>(words), {});
  }();
  return *kinds;
}

/// A value of this type is told from all others by the interpreter where it is used.
bool is_told_apart(const c10::Type& type) {
  using c10::TypeKind;
  for (const TypeKind kind : {TypeKind::TensorType, TypeKind::IntType, TypeKind::FloatType,
                              TypeKind::BoolType, TypeKind::StringType, TypeKind::NumberType,
                              TypeKind::ComplexType, TypeKind::NoneType, TypeKind::DeviceObjType})
    if (type.kind() == kind) return true;
  return false;
}

/// The compiled code: what code_check.h refuses by its names is refused here by what became of them.
class CompiledCode {
 public:
  CompiledCode(const std::string& path, ValueTypes& values, bool trust_code)
      : path_(path), values_(values), trust_code_(trust_code) {}

  void check(const torch::jit::GraphFunction& function) {
    name_ = function.qualname().qualifiedName();
    std::vector<const torch::jit::Block*> left{function.graph()->block()};
    while (!left.empty()) {
      const torch::jit::Block* block = left.back();
      left.pop_back();
      check_cancelled();
      for (const torch::jit::Node* node : block->nodes()) {
        check(*node);
        for (const torch::jit::Block* inner : node->blocks()) left.push_back(inner);
      }
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail("MODEL_CODE", path_, ": its code (", printable(name_), ") ", what,
         ". A network file is a program: if you trust where this one comes from, load it with --trust-code "
         "(option trustCode)");
  }

  void check(const torch::jit::Node& node) {
    if (node.kind() == c10::prim::Constant) {
      if (const auto value = torch::jit::toIValue(node.output()))
        values_.check(*value, node.output()->type(), "constant", name_);
      return;
    }
    if (trust_code_) return;
    const std::string kind = node.kind().toQualString();
    if (!allowed_operators().contains(kind) && !kinds_of_statements().contains(kind))
      refuse("calls the operator " + printable(kind) + ", which is none of those that networks are made of");
    if (node.kind() == c10::prim::unchecked_cast && !is_safe_cast(node))
      refuse("takes a value of type " + printable(node.input(0)->type()->annotation_str()) + " for a " +
             printable(node.output()->type()->annotation_str()));
    if (node.kind() == c10::prim::CreateObject && !is_allowed_class(node.output()->type()->annotation_str()))
      refuse("uses the class " + printable(node.output()->type()->annotation_str()) + " of C++");
  }

  /// An object that is taken for one of another class is read beyond its end.
  static bool is_safe_cast(const torch::jit::Node& node) {
    const c10::TypePtr from = node.input(0)->type(), to = node.output()->type();
    return is_told_apart(*to) || from->isSubtypeOf(*c10::OptionalType::create(to));
  }

  const std::string& path_;
  ValueTypes& values_;
  bool trust_code_;
  std::string name_;
};

}  // namespace

void check_loaded_network(const std::string& path, const torch::jit::Module& module, bool trust_code) {
  ValueTypes values(path);
  values.check(module._ivalue(), module.type(), "network", "file");
  GraphSizes sizes(path);
  CompiledCode code(path, values, trust_code);
  for (torch::jit::Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    auto* graph = torch::jit::tryToGraphFunction(*function);
    if (graph == nullptr) continue;
    code.check(*graph);
    sizes.of(*graph);
  }
}

}  // namespace dinov3_seg
