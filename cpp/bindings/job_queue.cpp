#include "bindings/job_queue.h"

#include <c10/core/DeviceGuard.h>
#include <c10/util/Exception.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "bindings/lanes.h"
#include "bindings/method.h"
#include "core/available_memory.h"
#include "core/device_launches.h"
#include "core/error.h"
#include "core/intraop_threads.h"
#include "core/job_inputs.h"
#include "core/torch_logging.h"
#include "core/utf8.h"

namespace dinov3_seg {
namespace {

// How long an end waits for running jobs, which stop at their next operator: an environment's, that of the
// process while JavaScript still runs, and the last wait before the process ends with them running.
constexpr std::chrono::seconds close_wait{2}, stop_wait{1}, exit_wait{2};

constexpr const char* out_of_memory = "OUT_OF_MEMORY";

struct Job;

/// Work for an environment's JavaScript thread.
using Delivery = std::function<void(Napi::Env)>;

/// What belongs to one environment. Jobs keep it alive.
struct Environment {
  napi_threadsafe_function deliveries = nullptr;
  /// Other threads: only inside lanes().unless_closed.
  void post(Delivery delivery) {
    auto* carried = new Delivery(std::move(delivery));
    if (napi_call_threadsafe_function(deliveries, carried, napi_tsfn_nonblocking) != napi_ok) delete carried;
  }
  // JavaScript thread only:
  Napi::FunctionReference make_error;
  size_t pending = 0;  // jobs not yet settled
  std::unordered_map<const JobControl*, Napi::FunctionReference> listeners;
  std::unordered_map<const LaneJob*, Napi::ObjectReference> read;  // arguments whose memory a job reads
};

/// Lives in the environment's instance data.
struct InstanceData {
  std::shared_ptr<Environment> environment;
};

std::shared_ptr<Environment> environment_of(Napi::Env env) {
  const auto* data = env.GetInstanceData<InstanceData>();
  if (data == nullptr)
    fail("INTERNAL", "the engine was called in an environment that it was not loaded into");
  return data->environment;
}

/// `env` is null where the environment ended before the delivery: then it is dropped.
void run_delivery(napi_env env, napi_value, void*, void* data) noexcept {
  const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(data));
  if (env == nullptr) return;
  guarded(env, [&]() -> napi_value {
    (*delivery)(env);
    return nullptr;
  });
}

struct Job : LaneJob {
  Job(std::shared_ptr<Environment> environment, Napi::Promise::Deferred deferred, Work work,
      std::shared_ptr<JobControl> control, c10::Device device, bool launches)
      : LaneJob(environment.get(), std::move(control)),
        environment(std::move(environment)),
        deferred(deferred),
        device(device),
        launches(launches),
        work(std::move(work)) {}

  void run() noexcept override;
  static void deliver(std::unique_ptr<LaneJob> job);

  std::shared_ptr<Environment> environment;
  Napi::Promise::Deferred deferred;
  c10::Device device;
  bool launches;  // work on the device, which it does not only wait for
  Work work;
  Work::result_type make_value;
  Failure failure;
};

/// As Node.js's own warnings.
void emit_warnings(Napi::Env env, JobControl& control) {
  for (const JobWarning& warning : control.take_warnings()) {
    const auto process = env.Global().Get("process").As<Napi::Object>();
    auto options = Napi::Object::New(env);
    options.Set("type", "DinoSegWarning");
    options.Set("code", warning.code);
    process.Get("emitWarning")
        .As<Napi::Function>()
        .Call(process, {Napi::String::New(env, printable_message(warning.text)), options});
  }
}

/// Settles a job's promise; JavaScript thread. The flag decides what an error means: TorchScript turns every
/// exception into one of its own.
void settle(Napi::Env env, Job& job) {
  Environment& environment = *job.environment;
  if (--environment.pending == 0) napi_unref_threadsafe_function(env, environment.deliveries);
  environment.listeners.erase(job.control.get());
  emit_warnings(env, *job.control);
  environment.read.erase(&job);
  // Also if the job had finished when the request came: the caller who stops it gets this error only.
  if (job.control->cancelled() && !job.control->shielded())
    job.failure = {"ABORTED", "the job was stopped on request"};
  if (!job.failure.code.empty()) {
    job.make_value = nullptr;
    job.deferred.Reject(to_js_error(env, job.failure).Value());
    return;
  }
  try {
    job.deferred.Resolve(job.make_value(env));
  } catch (const Napi::Error& error) {
    job.deferred.Reject(error.Value());
  } catch (...) {
    job.deferred.Reject(to_js_error(env, describe_current_exception()).Value());
  }
}

/// On a lane's thread.
void Job::run() noexcept {
  const CurrentJob current(*control);
  try {
    check_cancelled();
    // For whatever takes the current device.
    const c10::DeviceGuard on_device(device);
    std::optional<LaunchGuard> launching;
    if (launches) launching.emplace(device);
    use_intraop_threads();
    keep_warnings_of_this_thread();
    make_value = work();
    if (!control->shielded()) check_job_inputs();
  } catch (...) {
    failure = describe_current_exception();
    // The reason of whatever went wrong with such bytes.
    if (std::string damage = job_input_damage(); !damage.empty()) failure = {"IO", std::move(damage)};
  }
  work = nullptr;
  // After all memory of the job is freed: the next one may need other sizes.
  if (failure.code == out_of_memory) release_cached_memory();
}

/// Hands a job that has run to its JavaScript thread, which frees it too: nothing of it stays on the lane's
/// thread.
void Job::deliver(std::unique_ptr<LaneJob> done) {
  std::shared_ptr<Job> job(static_cast<Job*>(done.release()));
  const std::shared_ptr<Environment> environment = job->environment;
  environment->post([job = std::move(job)](Napi::Env env) { settle(env, *job); });
}

Lanes& lanes() {
  // Never destroyed: its threads outlive the static destructors of a process that ends.
  static Lanes* all = new Lanes(Job::deliver);
  return *all;
}

std::pair<std::string, LaneKind> lane_of(Lane lane, LanePlace place) {
  const std::string replica = place.device.str() + "/" + std::to_string(place.replica);
  switch (lane) {
    case Lane::model:
      return {replica, LaneKind::fed};
    case Lane::copies:
      return {replica + " copies", LaneKind::fed};
    case Lane::prepare:
      return {"prepare", LaneKind::feeds};
    case Lane::write:
      return {"write", LaneKind::apart};
    case Lane::sync:
      return {"sync", LaneKind::apart};
  }
  fail("INTERNAL", "a job has no lane");
}

/// Passes a progress report to the listener, if there still is one.
void deliver_progress(const std::shared_ptr<Environment>& environment,
                      const std::shared_ptr<JobControl>& control) {
  lanes().unless_closed(environment.get(), [&] {
    environment->post([control](Napi::Env env) {
      const auto owner = environment_of(env);
      const auto listener = owner->listeners.find(control.get());
      if (listener == owner->listeners.end()) return;
      const auto progress = control->take_progress();
      listener->second.Call({Napi::Number::New(env, static_cast<double>(progress.done)),
                             Napi::Number::New(env, static_cast<double>(progress.total))});
    });
  });
}

/// The environment ends: its queued jobs are dropped, running ones stopped. One that does not stop in time
/// (a long operator) goes on without touching the environment, and what it makes is dropped.
void close_environment(Environment& environment) {
  lanes().close(&environment, close_wait);
  environment.make_error.Reset();
  environment.listeners.clear();
  environment.read.clear();
}

/// A cleanup hook of Node.js, whose C frames take no exception.
void close_environment_hook(void* data) noexcept {
  const std::unique_ptr<std::shared_ptr<Environment>> environment(
      static_cast<std::shared_ptr<Environment>*>(data));
  try {
    close_environment(**environment);
  } catch (...) {
    // The environment is gone either way, and there is nobody to tell.
  }
}

/// Static destructors would pull libtorch away under a job that still runs: the process ends without them
/// then, with the code that it was ending with.
void before_static_destructors(int code, void*) noexcept {
  if (!lanes().stop(exit_wait)) _exit(code);
}

std::shared_ptr<JobControl> control_argument(const Napi::CallbackInfo& info) {
  const Napi::Value last = info.Length() == 0 ? info.Env().Undefined() : info[info.Length() - 1];
  return is_handle<JobControl>(last) ? unwrap<JobControl>(last) : std::make_shared<JobControl>();
}

/// `listener`: (done, total) => void, or undefined.
std::shared_ptr<JobControl> create_job(Napi::Value listener) {
  auto control = std::make_shared<JobControl>();
  const auto environment = environment_of(listener.Env());
  if (listener.IsFunction()) {
    environment->listeners[control.get()] = Napi::Persistent(listener.As<Napi::Function>());
    control->on_progress = [environment = std::weak_ptr<Environment>(environment), raw = control.get()] {
      if (const auto owner = environment.lock()) deliver_progress(owner, raw->shared_from_this());
    };
  }
  return control;
}

/// A waiting job is dropped immediately.
void cancel_job(Napi::Value handle) {
  const auto control = unwrap<JobControl>(handle);
  if (auto dropped = lanes().cancel(*control)) {
    Job& job = static_cast<Job&>(*dropped);
    job.failure = {"ABORTED", "the job was stopped on request before it began"};
    settle(handle.Env(), job);
  }
}

/// Its listener is not called again.
void release_job(Napi::Value handle) {
  environment_of(handle.Env())->listeners.erase(unwrap<JobControl>(handle).get());
}

/// The process ends: waiting jobs are dropped, and running jobs are stopped.
void stop_jobs() { lanes().stop(stop_wait); }

const Methods job_methods{
    call<&create_job>("createJob", "onProgress"),
    call<&cancel_job>("cancelJob", "job"),
    call<&release_job>("releaseJob", "job"),
    call<&stop_jobs>("stopJobs"),
};

}  // namespace

void start_jobs(Napi::Env env) {
  // Before libtorch's own static destructors: those registered later run earlier.
  static const int registered = on_exit(before_static_destructors, nullptr);
  if (registered != 0) fail("INTERNAL", "no exit handler could be registered");
  auto data = std::make_unique<InstanceData>(std::make_shared<Environment>());
  const auto environment = data->environment;
  const auto check = [&](napi_status status) {
    if (status != napi_ok) throw Napi::Error::New(env);
  };
  check(napi_set_instance_data(
      env, data.get(), [](napi_env, void* held, void*) noexcept { delete static_cast<InstanceData*>(held); },
      nullptr));
  data.release();
  check(napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "dinov3-seg jobs"), 0,
                                        1, nullptr, nullptr, nullptr, run_delivery,
                                        &environment->deliveries));
  check(napi_unref_threadsafe_function(env, environment->deliveries));
  // The hook comes first, since it closes what is open.
  auto held = std::make_unique<std::shared_ptr<Environment>>(environment);
  check(napi_add_env_cleanup_hook(env, close_environment_hook, held.get()));
  held.release();
  lanes().open(environment.get());
}

Napi::Value run_job(const Napi::CallbackInfo& info, Lane lane, LanePlace place, bool reads_first, Work work) {
  const Napi::Env env = info.Env();
  auto environment = environment_of(env);
  auto control = control_argument(info);
  if (control->cancelled()) fail("ABORTED", "the job was stopped on request before it began");
  auto deferred = Napi::Promise::Deferred::New(env);
  const Napi::Promise promise = deferred.Promise();
  if (environment->pending++ == 0) napi_ref_threadsafe_function(env, environment->deliveries);
  if (lane != Lane::model && lane != Lane::copies) place = {};
  auto job = std::make_unique<Job>(environment, deferred, std::move(work), std::move(control), place.device,
                                   lane == Lane::model);
  if (reads_first) {
    job->reads_owner = true;
    environment->read[job.get()] = Napi::Persistent(info[0].As<Napi::Object>());
  }
  const auto [name, kind] = lane_of(lane, place);
  lanes().push(name, kind, std::move(job));
  return promise;
}

void set_error_factory(Napi::Env env, Napi::Function make) {
  environment_of(env)->make_error = Napi::Persistent(make);
}

Failure describe_current_exception() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) return {out_of_memory, out_of_memory_message(error)};
    const auto* own = dynamic_cast<const c10::Error*>(&error);
    return {"TORCH", own ? own->what_without_backtrace() : error.what()};
  } catch (...) {
    return {"INTERNAL", "an unknown exception; please report it"};
  }
}

Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  const auto environment = environment_of(env);
  // Messages quote files, libtorch's too.
  const std::string message = printable_message(failure.message);
  if (environment->make_error.IsEmpty()) return Napi::Error::New(env, failure.code + ": " + message);
  const Napi::Value error =
      environment->make_error.Call({Napi::String::New(env, failure.code), Napi::String::New(env, message)});
  return Napi::Error(env, error);
}

}  // namespace dinov3_seg
