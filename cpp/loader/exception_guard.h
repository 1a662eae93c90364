// Where Node.js calls C++. No exception may leave: what is thrown through its C frames ends the process.
// Knows no libtorch.
#pragma once

#include <napi.h>

#include <exception>

namespace dinov3_seg {

/// Runs what JavaScript called; what it throws becomes the pending JavaScript exception. An environment that
/// is ending (a worker_thread that is terminated) takes no exception, and nobody is left to hear it.
template <typename Function>
napi_value guarded(napi_env env, Function function) noexcept {
  try {
    return function();
  } catch (const Napi::Error& error) {
    try {
      error.ThrowAsJavaScriptException();
    } catch (...) {
      // Another exception is pending already, or the environment is ending.
    }
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  } catch (...) {
    napi_throw_error(env, nullptr, "an unknown C++ exception; please report it");
  }
  return nullptr;
}

/// A binding as Node.js calls it.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
napi_value guarded_call(napi_env env, napi_callback_info info) noexcept {
  return guarded(env, [&]() -> napi_value { return function(Napi::CallbackInfo(env, info)); });
}

/// Sets `exports[name]` to a function that runs the binding. Throws Napi::Error.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void export_function(Napi::Env env, Napi::Object exports, const char* name) {
  napi_value value = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded_call<function>, nullptr, &value) != napi_ok)
    throw Napi::Error::New(env);
  exports.Set(name, value);
}

}  // namespace dinov3_seg
