#include "bindings/job_queue.h"

#include <c10/util/Exception.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

/// What belongs to one environment. Jobs keep it alive; `closing` is set when the environment ends.
struct Environment {
  Napi::ThreadSafeFunction deliver;
  Napi::FunctionReference make_error;
  size_t pending = 0;  // jobs not yet settled; JavaScript thread only
  std::mutex mutex;
  std::condition_variable idle;
  size_t running = 0;    // jobs inside work(); under mutex
  bool closing = false;  // under mutex
};

/// Lives in the environment's instance data.
struct InstanceData {
  std::shared_ptr<Environment> environment;
};

struct Job {
  std::shared_ptr<Environment> environment;
  Napi::Promise::Deferred deferred;
  Work work;
  Finish finish;
  Failure failure;
};

std::shared_ptr<Environment> environment_of(Napi::Env env) {
  return env.GetInstanceData<InstanceData>()->environment;
}

/// Settles a job's promise; JavaScript thread.
void settle(Napi::Env env, Job& job) {
  Environment& environment = *job.environment;
  if (--environment.pending == 0) environment.deliver.Unref(env);
  if (!job.finish) {
    job.deferred.Reject(to_js_error(env, job.failure).Value());
    return;
  }
  try {
    job.deferred.Resolve(job.finish(env));
  } catch (const Napi::Error& error) {
    job.deferred.Reject(error.Value());
  } catch (...) {
    job.deferred.Reject(to_js_error(env, describe_current_exception()).Value());
  }
}

/// Runs a job on a queue thread and hands it to its JavaScript thread, unless that is ending.
void execute(std::unique_ptr<Job> job) {
  const std::shared_ptr<Environment> environment = job->environment;
  {
    std::lock_guard lock(environment->mutex);
    if (environment->closing) return;
    environment->running++;
  }
  try {
    job->finish = job->work();
  } catch (...) {
    job->failure = describe_current_exception();
  }
  job->work = nullptr;
  {
    std::lock_guard lock(environment->mutex);
    environment->running--;
    if (!environment->closing) {
      Job* raw = job.release();
      environment->deliver.BlockingCall(raw, [](Napi::Env env, Napi::Function, Job* delivered) {
        std::unique_ptr<Job> owned(delivered);
        if (env != nullptr) settle(env, *owned);
      });
    }
  }
  environment->idle.notify_all();
}

class Queue {
 public:
  explicit Queue(int threads) {
    for (int i = 0; i < threads; ++i) std::thread([this] { loop(); }).detach();
  }

  void push(std::unique_ptr<Job> job) {
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    ready_.notify_one();
  }

 private:
  void loop() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return !jobs_.empty(); });
      std::unique_ptr<Job> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      execute(std::move(job));
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::unique_ptr<Job>> jobs_;
};

/// Never destroyed: its threads outlive the static destructors of a process that ends.
Queue& queue_of(Lane lane) {
  static Queue* model = new Queue(1);
  static Queue* prepare = new Queue(2);
  return lane == Lane::model ? *model : *prepare;
}

/// The environment ends: queued jobs are dropped, running ones are waited for (their threads use its memory).
void close_environment(Environment* environment) {
  std::unique_lock lock(environment->mutex);
  environment->closing = true;
  environment->idle.wait(lock, [&] { return environment->running == 0; });
}

}  // namespace

void start_jobs(Napi::Env env) {
  auto* data = new InstanceData{std::make_shared<Environment>()};
  env.SetInstanceData(data);
  Environment& environment = *data->environment;
  environment.deliver = Napi::ThreadSafeFunction::New(
      env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "dinov3-seg jobs", 0, 1);
  environment.deliver.Unref(env);
  env.AddCleanupHook([shared = data->environment] { close_environment(shared.get()); });
}

Napi::Value run_job(Napi::Env env, Lane lane, Work work) {
  auto environment = environment_of(env);
  auto deferred = Napi::Promise::Deferred::New(env);
  const Napi::Promise promise = deferred.Promise();
  if (environment->pending++ == 0) environment->deliver.Ref(env);
  queue_of(lane).push(std::unique_ptr<Job>(new Job{environment, deferred, std::move(work), {}, {}}));
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
  } catch (const c10::OutOfMemoryError& error) {
    return {"OUT_OF_MEMORY", error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    return {"TORCH", error.what_without_backtrace()};
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", "the host has too little memory for this; use smaller images or batches"};
  } catch (const std::exception& error) {
    return {"TORCH", error.what()};
  } catch (...) {
    return {"INTERNAL", "an unknown exception; please report it"};
  }
}

Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  const auto environment = environment_of(env);
  if (environment->make_error.IsEmpty()) return Napi::Error::New(env, failure.code + ": " + failure.message);
  const Napi::Value error = environment->make_error.Call(
      {Napi::String::New(env, failure.code), Napi::String::New(env, failure.message)});
  return Napi::Error(env, error);
}

}  // namespace dinov3_seg
