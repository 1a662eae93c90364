// Threads of our own for long work: the libuv pool stays free for files and sockets.
#pragma once

#include <napi.h>

#include <functional>
#include <string>

namespace dinov3_seg {

/// Makes a job's value on the JavaScript thread.
using Finish = std::function<Napi::Value(Napi::Env)>;

/// A job's work, on one of the queue's threads. No N-API in it: what it needs is unpacked before.
using Work = std::function<Finish()>;

/// `model`: one thread, jobs strictly in order (networks and heads change state). `prepare`: pixels and
/// files, two threads, so that the next batch is made while the model works.
enum class Lane { model, prepare };

/// Readies the calling environment (main thread or worker_thread) for jobs. Once an environment.
void start_jobs(Napi::Env env);

/// Starts `work` and gives the promise of its value.
Napi::Value run_job(Napi::Env env, Lane lane, Work work);

/// Remembers the function that makes a DinoSegError of (code, message) in this environment.
void set_error_factory(Napi::Env env, Napi::Function make);

/// What an exception means: the one place where Error, c10::Error and everything else are mapped.
struct Failure {
  std::string code;
  std::string message;
};
Failure describe_current_exception();
Napi::Error to_js_error(Napi::Env env, const Failure& failure);

/// Wraps a binding: whatever it throws becomes a thrown DinoSegError.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value synchronous(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(info.Env(), describe_current_exception());
  }
}

/// Wraps a binding that gives a promise: whatever it throws becomes a rejection.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value asynchronous(const Napi::CallbackInfo& info) {
  const auto rejected = [&](const Napi::Error& error) -> Napi::Value {
    auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(error.Value());
    return deferred.Promise();
  };
  try {
    return function(info);
  } catch (const Napi::Error& error) {
    return rejected(error);
  } catch (...) {
    return rejected(to_js_error(info.Env(), describe_current_exception()));
  }
}

}  // namespace dinov3_seg
