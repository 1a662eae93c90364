#include "bindings/method.h"

#include <deque>

namespace dinov3_seg {
namespace {

/// Never destroyed, and elements do not move: JavaScript's functions point to them.
std::deque<Method>& all_methods() {
  static auto* all = new std::deque<Method>();
  return *all;
}

napi_value call_method(napi_env env, napi_callback_info raw) noexcept {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const auto& method = *static_cast<const Method*>(info.Data());
    const auto run = [&] { return method.call(info, method.arguments); };
    return method.returns_promise ? rejecting(env, run) : throwing(env, run);
  });
}

}  // namespace

Methods::Methods(std::initializer_list<Method> methods) {
  all_methods().insert(all_methods().end(), methods);
}

void export_methods(Napi::Env env, Napi::Object exports) {
  for (const Method& method : all_methods()) {
    napi_value value = nullptr;
    if (napi_create_function(env, method.name, NAPI_AUTO_LENGTH, call_method, const_cast<Method*>(&method),
                             &value) != napi_ok)
      throw Napi::Error::New(env);
    exports.Set(method.name, value);
  }
}

}  // namespace dinov3_seg
