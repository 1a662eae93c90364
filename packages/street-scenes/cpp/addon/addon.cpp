// street_scenes.node: everything that lib/training-engine.ts lists. The engine is loaded before it: libtorch
// is set up, and tensors and the calling thread's warnings are the engine's.
#include <napi.h>

#include "addon/training_handle.h"
#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/intraop_threads.h"

namespace dinov3_seg {
namespace {

/// setErrorFactory(make: (code, message) => DinoSegError). Called once after loading.
Napi::Value set_factory(const Napi::CallbackInfo& info) {
  set_error_factory(info.Env(), info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// setThreads(threads)
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  set_intraop_threads(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

/// disposeTraining(training)
Napi::Value dispose_training(const Napi::CallbackInfo& info) {
  if (!dispose_handle<NetworkTraining>(info[0])) fail("INVALID_ARGUMENT", "expected a training handle");
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  start_jobs(env);
  export_jobs(env, exports);
  export_function<set_factory>(env, exports, "setErrorFactory");
  export_function<synchronous<set_threads>>(env, exports, "setThreads");
  export_function<synchronous<dispose_training>>(env, exports, "disposeTraining");
  export_training(env, exports);
  export_detector_training(env, exports);
  return exports;
}

}  // namespace
}  // namespace dinov3_seg

NAPI_MODULE_INIT() {
  return dinov3_seg::guarded(env, [&]() -> napi_value { return dinov3_seg::init(env, {env, exports}); });
}
