// Tagged handles, by which JavaScript holds tensors, models and heads.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {

/// Name and tag of a kind of handle; specialised below for each.
template <typename T>
struct HandleKind;

template <typename T>
struct Handle {
  std::shared_ptr<T> object;  // null after dispose()
  int64_t bytes;              // reported to V8 as external memory
};

/// A finaliser of Node.js, whose C frames take no exception.
template <typename T>
void free_handle(napi_env env, void* data, void*) noexcept {
  const std::unique_ptr<Handle<T>> handle(static_cast<Handle<T>*>(data));
  int64_t all = 0;
  if (handle->object) napi_adjust_external_memory(env, -handle->bytes, &all);
}

/// A new handle that shares `object`; `bytes` is reported to V8's garbage collector.
template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> object, int64_t bytes) {
  auto handle = std::make_unique<Handle<T>>(std::move(object), bytes);
  napi_value external = nullptr;
  if (napi_create_external(env, handle.get(), free_handle<T>, nullptr, &external) != napi_ok)
    throw Napi::Error::New(env);
  handle.release();
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  if (napi_type_tag_object(env, external, &HandleKind<T>::tag) != napi_ok) throw Napi::Error::New(env);
  return Napi::Value(env, external);
}

template <typename T>
bool is_handle(const Napi::Value& value) {
  return value.IsExternal() && value.As<Napi::External<Handle<T>>>().CheckTypeTag(&HandleKind<T>::tag);
}

/// The object behind a handle. Throws INVALID_ARGUMENT for anything else, DISPOSED after dispose().
template <typename T>
std::shared_ptr<T> unwrap(const Napi::Value& value) {
  if (!is_handle<T>(value)) fail("INVALID_ARGUMENT", "expected a ", HandleKind<T>::name, " handle");
  const auto& object = value.As<Napi::External<Handle<T>>>().Data()->object;
  if (!object) fail("DISPOSED", "this ", HandleKind<T>::name, " was used after dispose()");
  return object;
}

/// Releases the object now. False for a handle of another kind.
template <typename T>
bool dispose_handle(const Napi::Value& value) {
  if (!is_handle<T>(value)) return false;
  Handle<T>* handle = value.As<Napi::External<Handle<T>>>().Data();
  if (handle->object) {
    Napi::MemoryManagement::AdjustExternalMemory(value.Env(), -handle->bytes);
    handle->object.reset();
  }
  return true;
}

}  // namespace dinov3_seg
