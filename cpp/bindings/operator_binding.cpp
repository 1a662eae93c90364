// Calls any operator of libtorch's dispatcher by its name, for tests and benches.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>

#include "bindings/method.h"
#include "core/error.h"

namespace dinov3_seg {

template <>
struct Js<c10::IValue> {
  static Napi::Value to(Napi::Env env, const c10::IValue& value) {
    if (value.isTensor()) return to_js(env, value.toTensor());
    if (value.isBool()) return to_js(env, value.toBool());
    if (value.isInt()) return to_js(env, value.toInt());
    if (value.isDouble()) return to_js(env, value.toDouble());
    if (value.isTensorList()) return to_js(env, value.toTensorVector());
    return env.Undefined();
  }
};

/// A single result becomes a value, several become an array.
struct OperatorResults {
  std::vector<c10::IValue> stack;
};
template <>
struct Js<OperatorResults> {
  static Napi::Value to(Napi::Env env, const OperatorResults& results) {
    return results.stack.size() == 1 ? to_js(env, results.stack[0]) : to_js(env, results.stack);
  }
};

namespace {

template <typename T>
c10::IValue list_operand(const Napi::Value& value, const char* name) {
  return c10::List<T>(from_js<std::vector<T>>(value, name));
}

/// A value converted to the type in the operator's schema.
c10::IValue operand(const Napi::Value& value, const c10::TypePtr& type, const char* name) {
  switch (type->kind()) {
    case c10::TypeKind::OptionalType:
      if (value.IsUndefined() || value.IsNull()) return {};
      return operand(value, type->expectRef<c10::OptionalType>().getElementType(), name);
    case c10::TypeKind::TensorType:
      return from_js<at::Tensor>(value, name);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return from_js<int64_t>(value, name);
    case c10::TypeKind::FloatType:
    case c10::TypeKind::NumberType:
      return from_js<double>(value, name);
    case c10::TypeKind::BoolType:
      return from_js<bool>(value, name);
    case c10::TypeKind::StringType:
      return from_js<std::string>(value, name);
    case c10::TypeKind::DeviceObjType:
      return from_js<c10::Device>(value, name);
    case c10::TypeKind::ScalarTypeType:
      return from_js<at::ScalarType>(value, name);
    case c10::TypeKind::ListType:
      switch (type->expectRef<c10::ListType>().getElementType()->kind()) {
        case c10::TypeKind::TensorType:
          return list_operand<at::Tensor>(value, name);
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType:
          return list_operand<int64_t>(value, name);
        case c10::TypeKind::FloatType:
          return list_operand<double>(value, name);
        default:
          break;
      }
      [[fallthrough]];
    default:
      fail("INVALID_ARGUMENT", name, " has a type that cannot be passed from JavaScript: ", type->str());
  }
}

struct OperatorCall {
  c10::OperatorHandle handle;
  std::vector<c10::IValue> operands;
};

OperatorCall operator_call(const std::string& full_name, const Napi::Value& given) {
  const size_t dot = full_name.find('.');
  const auto handle = c10::Dispatcher::singleton().findSchema(
      {full_name.substr(0, dot), dot == std::string::npos ? "" : full_name.substr(dot + 1)});
  if (!handle) fail("INVALID_ARGUMENT", "there is no operator ", full_name);
  const auto values = from_js<std::vector<Napi::Value>>(given, "operands");
  const auto& arguments = handle->schema().arguments();
  if (values.size() > arguments.size())
    fail("INVALID_ARGUMENT", full_name, " takes at most ", arguments.size(), " operands, got ",
         values.size());
  OperatorCall call{*handle, {}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::Argument& argument = arguments[i];
    const Napi::Value value = i < values.size() ? values[i] : given.Env().Undefined();
    call.operands.push_back(value.IsUndefined() && argument.default_value()
                                ? *argument.default_value()
                                : operand(value, argument.real_type(), argument.name().c_str()));
  }
  return call;
}

/// Runs it `repeat` times (default 1), for benches that time it without the job queue.
auto call_operator(const std::string& name, Napi::Value operands, std::optional<int64_t> repeat) {
  return [call = operator_call(name, operands), repeat = repeat.value_or(1)] {
    OperatorResults results;
    for (int64_t i = 0; i < repeat; ++i) {
      results.stack = call.operands;
      call.handle.callBoxed(&results.stack);
    }
    return results;
  };
}

const Methods operator_methods{
    job<Lane::model, &call_operator>("callOperator", "name", "operands", "repeat"),
};

}  // namespace
}  // namespace dinov3_seg
