// street_scenes.node: everything that lib/training-engine.ts lists. The engine is loaded before it: libtorch
// is set up, and tensors and the calling thread's warnings are the engine's.
#include <napi.h>

#include "addon/training_handle.h"
#include "bindings/job_queue.h"
#include "bindings/method.h"
#include "bindings/values.h"
#include "core/error.h"
#include "core/intraop_threads.h"

namespace dinov3_seg {
namespace {

/// `make`: (code, message) => DinoSegError. Called once after loading.
void set_factory(Napi::Value make) { set_error_factory(make.Env(), make.As<Napi::Function>()); }

void dispose_training(Napi::Value training) {
  if (!dispose_handle<NetworkTraining>(training)) fail("INVALID_ARGUMENT", "expected a training handle");
}

const Methods addon_methods{
    call<&set_factory>("setErrorFactory", "make"),
    call<&set_intraop_threads>("setThreads", "threads"),
    call<&dispose_training>("disposeTraining", "training"),
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  start_jobs(env);
  export_methods(env, exports);
  return exports;
}

}  // namespace
}  // namespace dinov3_seg

NAPI_MODULE_INIT() {
  return dinov3_seg::guarded(env, [&]() -> napi_value { return dinov3_seg::init(env, {env, exports}); });
}
