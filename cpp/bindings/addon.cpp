// engine.node: everything that lib/native/bindings/engine.ts lists.
#include <napi.h>

#include <mutex>

#include "bindings/job_queue.h"
#include "bindings/method.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/torch_logging.h"

namespace dinov3_seg {
namespace {

/// `make`: (code, message) => DinoSegError. Called once after loading.
void set_factory(Napi::Value make) { set_error_factory(make.Env(), make.As<Napi::Function>()); }

const Methods addon_methods{call<&set_factory>("setErrorFactory", "make")};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  start_jobs(env);
  static std::once_flag configured;
  std::call_once(configured, [] {
    set_log_level();
    configure_libtorch();
  });
  keep_warnings_of_this_thread();
  export_methods(env, exports);
  return exports;
}

}  // namespace
}  // namespace dinov3_seg

NAPI_MODULE_INIT() {
  return dinov3_seg::guarded(env, [&]() -> napi_value { return dinov3_seg::init(env, {env, exports}); });
}
