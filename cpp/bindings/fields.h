// Converts objects with known fields to C++ structs and back.
#pragma once

#include <napi.h>

#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bindings/convert.h"

namespace dinov3_seg {

/// A field of an object. `Member` is a pointer to a member, or a function of the struct (for an argument, one
/// that returns a reference). `As` is the type to convert instead of the member's own; void: its own.
template <typename As, typename Member>
struct Field {
  const char* name;
  Member member;
  bool optional;  // undefined leaves the struct's default
};
template <typename As = void, typename Member>
constexpr Field<As, Member> field(const char* name, Member member) {
  return {name, member, false};
}
template <typename As = void, typename Member>
constexpr Field<As, Member> optional_field(const char* name, Member member) {
  return {name, member, true};
}

/// The fields of a struct: specialise it with a tuple of them. `void check_fields(const T&)`, if there is
/// one, is called with a struct that came from JavaScript.
template <typename T>
inline constexpr std::nullptr_t fields = nullptr;

template <typename T>
concept Described = !std::same_as<decltype(fields<T>), const std::nullptr_t>;

template <Described T>
struct Js<T> {
  static T from(const Napi::Value& value, const char* what) {
    const Napi::Object object = object_argument(value, what);
    T result{};
    std::apply([&](const auto&... field) { (read(object, field, result), ...); }, fields<T>);
    if constexpr (requires { check_fields(result); }) check_fields(result);
    return result;
  }
  static Napi::Value to(Napi::Env env, const T& value) {
    auto object = Napi::Object::New(env);
    std::apply([&](const auto&... field) { (write(object, field, value), ...); }, fields<T>);
    return object;
  }

 private:
  template <typename As, typename Member>
  static void read(const Napi::Object& object, const Field<As, Member>& field, T& result) {
    const Napi::Value value = object.Get(field.name);
    if (field.optional && value.IsUndefined()) return;
    auto& member = std::invoke(field.member, result);
    using Own = std::remove_cvref_t<decltype(member)>;
    auto given = from_js<std::conditional_t<std::is_void_v<As>, Own, As>>(value, field.name);
    if constexpr (std::is_assignable_v<Own&, decltype(given)>)
      member = std::move(given);
    else
      member = Own(given.begin(), given.end());
  }
  template <typename As, typename Member>
  static void write(Napi::Object& object, const Field<As, Member>& field, const T& value) {
    const auto& member = std::invoke(field.member, value);
    using Own = std::remove_cvref_t<decltype(member)>;
    const Napi::Value written = Js<std::conditional_t<std::is_void_v<As>, Own, As>>::to(object.Env(), member);
    if (!written.IsUndefined()) object.Set(field.name, written);
  }
};

/// A property of an object without a struct: object_of(Item{"name", value}, …).
template <typename T>
struct Item {
  const char* name;
  T value;
};
template <typename T>
Item(const char*, T) -> Item<T>;

template <typename... T>
std::tuple<Item<T>...> object_of(Item<T>... items) {
  return {std::move(items)...};
}

template <typename... T>
struct Js<std::tuple<Item<T>...>> {
  static Napi::Value to(Napi::Env env, const std::tuple<Item<T>...>& items) {
    auto object = Napi::Object::New(env);
    std::apply([&](const auto&... item) { (object.Set(item.name, to_js(env, item.value)), ...); }, items);
    return object;
  }
};

}  // namespace dinov3_seg
