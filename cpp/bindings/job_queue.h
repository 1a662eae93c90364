// Long work runs on threads of the package's own; the libuv pool stays free for files and sockets.
#pragma once

#include <c10/core/Device.h>
#include <napi.h>

#include <functional>
#include <string>

#include "bindings/handles.h"
#include "core/job_control.h"
#include "loader/exception_guard.h"

namespace dinov3_seg {

template <>
struct HandleKind<JobControl> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b24, 0x9d2f3a7c81e64f04};
  static constexpr const char* name = "job";
};

/// A job's work. It runs on one of the queue's threads and uses no N-API; the function that it returns makes
/// the job's value on the JavaScript thread.
using Work = std::function<std::function<Napi::Value(Napi::Env)>()>;

/// `model`: for each device, and for each replica on it, a lane of one thread, since networks and heads
/// change state. `prepare`: pixels and files, two threads and more where there are several devices, so that
/// the next batch is made while the models work. `copies`: one thread for each device, that waits for copies
/// to the host to end. `write`: one thread, for what is appended to files in order. `sync`: one thread that
/// waits for disks. Environments (main thread, worker_threads) take turns in a lane; the jobs of one
/// environment run in the order of the calls.
enum class Lane { model, prepare, copies, write, sync };

/// Which of the lanes of Lane::model or Lane::copies.
struct LanePlace {
  c10::Device device = c10::kCPU;
  int replica = 0;
};

/// Prepares the calling environment (main thread or worker_thread) for jobs. Call it once per environment.
void start_jobs(Napi::Env env);

/// Queues `work` and returns the promise of its value; `place` is for Lane::model and Lane::copies. A job
/// handle as the last argument controls it. With `reads_first` the work reads memory that the first argument
/// keeps in JavaScript: it lives until the job has ended, and the work must be short.
Napi::Value run_job(const Napi::CallbackInfo& info, Lane lane, LanePlace place, bool reads_first, Work work);

/// Remembers the function that makes a DinoSegError of (code, message) in this environment.
void set_error_factory(Napi::Env env, Napi::Function make);

/// The code and message of an exception: the only place that maps Error, c10::Error and all others.
struct Failure {
  std::string code;
  std::string message;
};
Failure describe_current_exception();
Napi::Error to_js_error(Napi::Env env, const Failure& failure);

/// Whatever `function` throws becomes a thrown DinoSegError.
template <typename Function>
Napi::Value throwing(Napi::Env env, Function function) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, describe_current_exception());
  }
}

/// The promise that `function` returns; whatever it throws becomes a rejection.
template <typename Function>
Napi::Value rejecting(Napi::Env env, Function function) {
  try {
    return throwing(env, function);
  } catch (const Napi::Error& error) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

}  // namespace dinov3_seg
