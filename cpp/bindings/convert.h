// Converts JavaScript's values to C++ and back, by a trait for each type; objects with known fields are in
// fields.h. Errors name the argument or the field.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/handles.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/dtype_names.h"
#include "core/named_tensor.h"

namespace dinov3_seg {

/// `from(value, what)` throws INVALID_ARGUMENT, naming `what`, for a value of another kind; `to(env, value)`
/// is the reverse. A type may have only one of them.
template <typename T>
struct Js;

template <typename T>
auto from_js(const Napi::Value& value, const char* what) {
  return Js<T>::from(value, what);
}

template <typename T>
Napi::Value to_js(Napi::Env env, const T& value) {
  return Js<T>::to(env, value);
}

// Numbers and strings.

template <>
struct Js<double> {
  static double from(const Napi::Value& value, const char* what) {
    if (!value.IsNumber()) fail("INVALID_ARGUMENT", what, " must be a number");
    return value.As<Napi::Number>().DoubleValue();
  }
  static Napi::Value to(Napi::Env env, double value) { return Napi::Number::New(env, value); }
};

/// Whole numbers, up to 2^53 − 1, where JavaScript's are exact.
template <std::integral T>
struct Js<T> {
  static T from(const Napi::Value& value, const char* what) {
    const double given = from_js<double>(value, what);
    if (std::floor(given) != given || std::abs(given) > 9007199254740991.0)
      fail("INVALID_ARGUMENT", what, " must be a whole number, got ", given);
    const auto number = static_cast<int64_t>(given);
    constexpr T min = std::numeric_limits<T>::min(), max = std::numeric_limits<T>::max();
    if (sizeof(T) == 8 && std::cmp_less(number, min))
      fail("INVALID_ARGUMENT", what, " must be a whole number from 0, got ", number);
    if (std::cmp_less(number, min) || std::cmp_greater(number, max))
      fail("INVALID_ARGUMENT", what, " must be from ", +min, " to ", +max, ", got ", number);
    return static_cast<T>(number);
  }
  static Napi::Value to(Napi::Env env, T value) { return Js<double>::to(env, static_cast<double>(value)); }
};

template <>
struct Js<bool> {
  static bool from(const Napi::Value& value, const char* what) {
    if (!value.IsBoolean()) fail("INVALID_ARGUMENT", what, " must be true or false");
    return value.As<Napi::Boolean>().Value();
  }
  static Napi::Value to(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }
};

template <>
struct Js<std::string> {
  static std::string from(const Napi::Value& value, const char* what) {
    if (!value.IsString()) fail("INVALID_ARGUMENT", what, " must be a string");
    return value.As<Napi::String>().Utf8Value();
  }
  static Napi::Value to(Napi::Env env, const std::string& value) { return Napi::String::New(env, value); }
};

template <>
struct Js<const char*> {
  static Napi::Value to(Napi::Env env, const char* value) { return Napi::String::New(env, value); }
};

/// A type whose values have names in JavaScript; `parse` throws for an unknown name.
template <auto parse>
struct Named {
  static auto from(const Napi::Value& value, const char* what) {
    return parse(from_js<std::string>(value, what));
  }
};

template <>
struct Js<c10::Device> : Named<parse_device> {
  static Napi::Value to(Napi::Env env, c10::Device value) { return to_js(env, value.str()); }
};

template <>
struct Js<at::ScalarType> : Named<parse_dtype> {
  static Napi::Value to(Napi::Env env, at::ScalarType value) { return to_js(env, dtype_name(value)); }
};

/// Unconverted, for functions that run on the JavaScript thread.
template <>
struct Js<Napi::Value> {
  static Napi::Value from(const Napi::Value& value, const char*) { return value; }
  static Napi::Value to(Napi::Env, const Napi::Value& value) { return value; }
};

// Handles.

/// One of several classes that have handles of one kind, that of `HandleKind<T>::Base`; `refuse()` throws
/// for the other classes.
template <typename T>
concept HandledAsBase = requires { typename HandleKind<T>::Base; };

/// What JavaScript has a handle of. Tensors are handles too, but are passed by value.
template <typename T>
concept Handled = HandledAsBase<T> || (requires { HandleKind<T>::tag; } && !std::same_as<T, at::Tensor>);

/// An undefined tensor becomes undefined.
template <>
struct Js<at::Tensor> {
  static at::Tensor from(const Napi::Value& value, const char* what) {
    if (!is_handle<at::Tensor>(value)) fail("INVALID_ARGUMENT", what, " must be a tensor handle");
    return *unwrap<at::Tensor>(value);
  }
  static Napi::Value to(Napi::Env env, const at::Tensor& value) {
    return value.defined() ? wrap_tensor(env, value) : env.Undefined();
  }
};

/// A null pointer becomes null. `HandleKind<T>::bytes` gives the size that is reported to V8.
template <Handled T>
struct Js<std::shared_ptr<T>> {
  static std::shared_ptr<T> from(const Napi::Value& value, const char*) {
    if constexpr (HandledAsBase<T>) {
      auto object = std::dynamic_pointer_cast<T>(unwrap<typename HandleKind<T>::Base>(value));
      if (!object) HandleKind<T>::refuse();
      return object;
    } else {
      return unwrap<T>(value);
    }
  }
  static Napi::Value to(Napi::Env env, const std::shared_ptr<T>& value) {
    if (!value) return env.Null();
    if constexpr (requires { HandleKind<T>::bytes(*value); })
      return wrap(env, value, HandleKind<T>::bytes(*value));
    else
      return wrap(env, value, 0);
  }
};

/// A handle of one of several kinds. For any other value, the error is that of the last kind.
template <Handled First, Handled... Others>
struct Js<std::variant<std::shared_ptr<First>, std::shared_ptr<Others>...>> {
  using Variant = std::variant<std::shared_ptr<First>, std::shared_ptr<Others>...>;
  static Variant from(const Napi::Value& value, const char* what) {
    if constexpr (sizeof...(Others) > 0) {
      if (!is_handle<First>(value))
        return std::visit([](auto handle) -> Variant { return handle; },
                          from_js<std::variant<std::shared_ptr<Others>...>>(value, what));
    }
    return unwrap<First>(value);
  }
};

/// One of several types, as a result.
template <typename... T>
struct Js<std::variant<T...>> {
  static Napi::Value to(Napi::Env env, const std::variant<T...>& value) {
    return std::visit([&](const auto& held) { return to_js(env, held); }, value);
  }
};

/// A contiguous CPU tensor that crosses as a typed array over its own memory.
struct Values {
  at::Tensor tensor;
  operator const at::Tensor&() const { return tensor; }
};
template <>
struct Js<Values> {
  static Napi::Value to(Napi::Env env, const at::Tensor& tensor) { return typed_array(env, tensor); }
};

/// The kind of typed array that holds these values, and its name.
template <typename T>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind;
template <>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind<double>{napi_float64_array,
                                                                                 "Float64Array"};
template <>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind<int32_t>{napi_int32_array,
                                                                                  "Int32Array"};
template <>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind<uint32_t>{napi_uint32_array,
                                                                                   "Uint32Array"};
template <>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind<uint8_t>{napi_uint8_array,
                                                                                  "Uint8Array"};
template <>
inline constexpr std::pair<napi_typedarray_type, const char*> array_kind<uint64_t>{napi_biguint64_array,
                                                                                   "BigUint64Array"};

/// The values of a typed array, copied.
template <typename T>
struct TypedArray : std::vector<T> {};
template <typename T>
struct Js<TypedArray<T>> {
  static TypedArray<T> from(const Napi::Value& value, const char* what) {
    const auto [type, name] = array_kind<T>;
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
      fail("INVALID_ARGUMENT", what, " must be a ", name);
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    return {{array.Data(), array.Data() + array.ElementLength()}};
  }
};

// Containers.

/// An empty optional becomes undefined; undefined and null become an empty optional.
template <typename T>
struct Js<std::optional<T>> {
  static std::optional<T> from(const Napi::Value& value, const char* what) {
    if (value.IsUndefined() || value.IsNull()) return {};
    return from_js<T>(value, what);
  }
  static Napi::Value to(Napi::Env env, const std::optional<T>& value) {
    return value ? to_js(env, *value) : env.Undefined();
  }
};

template <typename T>
struct Js<std::vector<T>> {
  static std::vector<T> from(const Napi::Value& value, const char* what) {
    if (!value.IsArray()) fail("INVALID_ARGUMENT", what, " must be an array");
    const auto array = value.As<Napi::Array>();
    const std::string item = std::string("an item of ") + what;
    std::vector<T> items;
    items.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) items.push_back(from_js<T>(array.Get(i), item.c_str()));
    return items;
  }
  static Napi::Value to(Napi::Env env, const std::vector<T>& items) {
    auto array = Napi::Array::New(env, items.size());
    for (size_t i = 0; i < items.size(); ++i) array.Set(static_cast<uint32_t>(i), to_js<T>(env, items[i]));
    return array;
  }
};

/// A shape.
template <>
struct Js<c10::IntArrayRef> {
  static Napi::Value to(Napi::Env env, c10::IntArrayRef sizes) { return to_js(env, sizes.vec()); }
};

template <typename T, size_t size>
struct Js<std::array<T, size>> {
  static std::array<T, size> from(const Napi::Value& value, const char* what) {
    const auto items = from_js<std::vector<T>>(value, what);
    if (items.size() != size)
      fail("INVALID_ARGUMENT", what, " must hold ", size, " items, got ", items.size());
    std::array<T, size> all{};
    std::copy(items.begin(), items.end(), all.begin());
    return all;
  }
  static Napi::Value to(Napi::Env env, const std::array<T, size>& items) {
    return to_js(env, std::vector<T>(items.begin(), items.end()));
  }
};

/// Calls `use(name, value)` with each property of an object, in its order.
template <typename Use>
void each_property(const Napi::Value& value, const char* what, Use use) {
  const Napi::Object object = object_argument(value, what);
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    use(name, object.Get(name));
  }
}

/// An object with its properties in this order.
template <typename T>
struct Js<std::vector<std::pair<std::string, T>>> {
  static Napi::Value to(Napi::Env env, const std::vector<std::pair<std::string, T>>& items) {
    auto object = Napi::Object::New(env);
    for (const auto& [name, value] : items) object.Set(name, to_js(env, value));
    return object;
  }
};

template <typename T>
struct Js<std::map<std::string, T>> {
  static std::map<std::string, T> from(const Napi::Value& value, const char* what) {
    std::map<std::string, T> map;
    each_property(value, what, [&](const std::string& name, const Napi::Value& property) {
      map.emplace(name, from_js<T>(property, name.c_str()));
    });
    return map;
  }
  static Napi::Value to(Napi::Env env, const std::map<std::string, T>& map) {
    auto object = Napi::Object::New(env);
    for (const auto& [name, value] : map) object.Set(name, to_js(env, value));
    return object;
  }
};

/// An object of tensor handles by name.
template <>
struct Js<std::vector<NamedTensor>> {
  static std::vector<NamedTensor> from(const Napi::Value& value, const char* what) {
    std::vector<NamedTensor> tensors;
    each_property(value, what, [&](const std::string& name, const Napi::Value& property) {
      tensors.push_back({name, from_js<at::Tensor>(property, name.c_str())});
    });
    return tensors;
  }
  static Napi::Value to(Napi::Env env, const std::vector<NamedTensor>& tensors) {
    auto object = Napi::Object::New(env);
    for (const NamedTensor& entry : tensors) object.Set(entry.name, to_js(env, entry.tensor));
    return object;
  }
};

}  // namespace dinov3_seg
