// Exports C++ functions to JavaScript. Arguments and results are converted (convert.h, fields.h), and jobs
// run on a lane.
#pragma once

#include <napi.h>

#include <array>
#include <initializer_list>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bindings/fields.h"
#include "bindings/job_queue.h"
#include "bindings/lane_place.h"

namespace dinov3_seg {

/// An exported function.
struct Method {
  static constexpr size_t max_arguments = 8;
  using Names = std::array<const char*, max_arguments>;

  const char* name;
  Names arguments;
  Napi::Value (*call)(const Napi::CallbackInfo& info, const Names& names);
  bool returns_promise;  // what it throws becomes a rejection
};

/// The functions of a file, in a static variable; the addon exports those of all files.
struct Methods {
  Methods(std::initializer_list<Method> methods);
};
void export_methods(Napi::Env env, Napi::Object exports);

/// Result and arguments of a function, of a member function (the object first) or of a function object.
template <typename Function>
struct Signature {
  using Call = Signature<decltype(&Function::operator())>;
  using Result = typename Call::Result;
  using Arguments = typename Call::WithoutObject;
};
template <typename R, typename... A>
struct Signature<R (*)(A...)> {
  using Result = R;
  using Arguments = std::tuple<A...>;
};
template <typename R, typename T, typename... A>
struct Signature<R (T::*)(A...)> {
  using Result = R;
  using Arguments = std::tuple<T&, A...>;
  using WithoutObject = std::tuple<A...>;
};
template <typename R, typename T, typename... A>
struct Signature<R (T::*)(A...) const> : Signature<R (T::*)(A...)> {};

/// How an argument is held until the call: an object behind a handle by a shared pointer.
template <typename A>
using Held = std::conditional_t<Handled<std::remove_cvref_t<A>>, std::shared_ptr<std::remove_cvref_t<A>>,
                                std::remove_cvref_t<A>>;

template <typename A>
A pass(Held<A>& held) {
  if constexpr (Handled<std::remove_cvref_t<A>>)
    return *held;
  else
    return static_cast<A&&>(held);
}

template <typename Arguments>
struct HeldArguments;
template <typename... A>
struct HeldArguments<std::tuple<A...>> {
  std::tuple<Held<A>...> values;

  static HeldArguments from(const Napi::CallbackInfo& info, const Method::Names& names) {
    // A job handle after the arguments is not one of them.
    const size_t last = info.Length() - 1;
    const size_t job = info.Length() > 0 && is_handle<JobControl>(info[last]) ? last : info.Length();
    const auto value = [&]<typename T>(size_t i, std::type_identity<T>) -> Napi::Value {
      return i == job && !std::same_as<T, Napi::Value> ? info.Env().Undefined() : info[i];
    };
    return [&]<size_t... i>(std::index_sequence<i...>) {
      return HeldArguments{{from_js<Held<A>>(value(i, std::type_identity<Held<A>>()), names[i])...}};
    }(std::index_sequence_for<A...>());
  }

  template <typename Function>
  decltype(auto) call(Function&& function) {
    return std::apply(
        [&](auto&... held) -> decltype(auto) { return std::invoke(function, pass<A>(held)...); }, values);
  }
};

/// Calls `work`; returns a function that converts the result, on the JavaScript thread.
template <typename Function>
auto result_of(Function&& work) {
  using Result = std::remove_cvref_t<decltype(work())>;
  if constexpr (std::is_void_v<Result>) {
    work();
    return [](Napi::Env env) { return env.Undefined(); };
  } else {
    return [result = Result(work())](Napi::Env env) { return to_js(env, result); };
  }
}

template <typename Arguments, size_t names>
inline constexpr bool are_named = std::tuple_size_v<Arguments> == names;

/// A function that runs immediately, on the JavaScript thread. `names` are those of its arguments in
/// messages.
template <auto function, typename... Name>
constexpr Method call(const char* name, Name... names) {
  using Arguments = typename Signature<std::remove_cv_t<decltype(function)>>::Arguments;
  static_assert(are_named<Arguments, sizeof...(names)>, "each argument has a name");
  return {name,
          {names...},
          [](const Napi::CallbackInfo& info, const Method::Names& names) {
            auto arguments = HeldArguments<Arguments>::from(info, names);
            return result_of([&]() -> decltype(auto) { return arguments.call(function); })(info.Env());
          },
          false};
}

/// Whether an argument views memory that JavaScript has, without a copy; it must be the first. For callers in
/// this package, which neither write to the memory nor transfer it before the job has ended.
template <typename T>
inline constexpr bool views_memory = false;
template <typename Arguments>
inline constexpr bool views_first = false;
template <typename First, typename... Others>
inline constexpr bool views_first<std::tuple<First, Others...>> = views_memory<std::remove_cvref_t<First>>;

/// A function that runs as a job. Its arguments are converted before. If it returns a function, it runs on
/// the JavaScript thread, where it can read its arguments, and the returned function is the job.
template <Lane lane, auto function, typename... Name>
constexpr Method job(const char* name, Name... names) {
  using Arguments = typename Signature<std::remove_cv_t<decltype(function)>>::Arguments;
  static_assert(are_named<Arguments, sizeof...(names)>, "each argument has a name");
  return {name,
          {names...},
          [](const Napi::CallbackInfo& info, const Method::Names& names) {
            auto arguments = HeldArguments<Arguments>::from(info, names);
            const LanePlace place = place_of(arguments.values).value_or(LanePlace{});
            using Result = typename Signature<std::remove_cv_t<decltype(function)>>::Result;
            if constexpr (std::is_invocable_v<Result>)
              return run_job(info, lane, place, false,
                             [work = arguments.call(function)]() mutable -> Work::result_type {
                               return result_of(work);
                             });
            else
              return run_job(info, lane, place, views_first<Arguments>,
                             [arguments = std::move(arguments)]() mutable -> Work::result_type {
                               return result_of([&]() -> decltype(auto) { return arguments.call(function); });
                             });
          },
          true};
}

}  // namespace dinov3_seg
