// engine.node: everything that lib/native/bindings/engine.ts lists.
#include <napi.h>

#include <mutex>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/torch_logging.h"

namespace dinov3_seg {
namespace {

/// setErrorFactory(make: (code, message) => DinoSegError). Called once after loading.
Napi::Value set_factory(const Napi::CallbackInfo& info) {
  set_error_factory(info.Env(), info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  start_jobs(env);
  static std::once_flag configured;
  std::call_once(configured, [] {
    set_log_level();
    configure_libtorch();
  });
  keep_warnings_of_this_thread();
  export_function<set_factory>(env, exports, "setErrorFactory");
  export_jobs(env, exports);
  export_devices(env, exports);
  export_tensors(env, exports);
  export_checkpoints(env, exports);
  export_init(env, exports);
  export_models(env, exports);
  export_detectors(env, exports);
  export_heads(env, exports);
  export_trained_heads(env, exports);
  export_cache(env, exports);
  export_probes(env, exports);
  export_images(env, exports);
  export_polygons(env, exports);
  export_shares(env, exports);
  export_ops(env, exports);
  export_network_ops(env, exports);
  return exports;
}

}  // namespace
}  // namespace dinov3_seg

NAPI_MODULE_INIT() {
  return dinov3_seg::guarded(env, [&]() -> napi_value { return dinov3_seg::init(env, {env, exports}); });
}
