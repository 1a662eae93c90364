#include <ATen/ATen.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/job_control.h"
#include "core/utf8.h"
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

void check_field_types(const std::string& path, const torch::jit::Module& module) {
  std::unordered_set<const void*> seen;
  std::vector<Declared> left{{module._ivalue(), module.type()}};
  while (!left.empty()) {
    const Declared each = std::move(left.back());
    left.pop_back();
    if (!each.value.isObject()) continue;
    const c10::ivalue::Object& object = each.value.toObjectRef();
    if (!seen.insert(&object).second) continue;
    const auto type = object.type();
    for (size_t i = 0; i < type->numAttributes(); ++i) {
      std::vector<Declared> open{{object.getSlot(i), type->getAttribute(i)}};
      while (!open.empty()) {
        const Declared field = std::move(open.back());
        open.pop_back();
        if (!is_of(field.value, field.type, open))
          fail("MODEL_FORMAT", path, ": the field ", printable(type->getAttributeName(i)), " of ",
               printable(type->annotation_str()), " is of type ", printable(field.value.tagKind()),
               ", but its code declares ", printable(field.type->annotation_str()),
               ". The file is damaged, or was not written by torch.jit.save: do not use it");
        if (field.value.isObject()) left.push_back(field);
      }
    }
  }
}

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

}  // namespace

void check_loaded_network(const std::string& path, const torch::jit::Module& module) {
  check_field_types(path, module);
  GraphSizes sizes(path);
  for (torch::jit::Function* function : module._ivalue()->compilation_unit()->get_functions())
    if (auto* graph = torch::jit::tryToGraphFunction(*function)) sizes.of(*graph);
}

}  // namespace dinov3_seg
