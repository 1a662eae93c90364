// engine.node: everything that lib/native/surface.ts lists.
#include <napi.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"

namespace dinov3_seg {
namespace {

/// setErrorFactory(make: (code, message) => DinoSegError). Called once after loading.
Napi::Value set_factory(const Napi::CallbackInfo& info) {
  set_error_factory(info.Env(), info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  start_jobs(env);
  use_full_float32();
  exports.Set("setErrorFactory", Napi::Function::New(env, set_factory));
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
  export_training(env, exports);
  return exports;
}

NODE_API_MODULE(engine, init)

}  // namespace
}  // namespace dinov3_seg
