// loader.node: opens a libtorch by path, so that engine.node, whose DT_NEEDED entries have no path,
// finds it already loaded. Knows nothing of libtorch itself.
#include <dlfcn.h>
#include <napi.h>
#include <stdlib.h>

#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "loader/cuda_libraries.h"
#include "loader/exception_guard.h"
#include "loader/open_library.h"

namespace dinov3_seg {
namespace {

using AbiVersion = uint64_t (*)();
using Environment = std::map<std::string, std::string>;

/// Folders from which a libtorch_cpu.so is mapped into this process.
std::set<std::string> mapped_libtorch_folders() {
  static const std::string file = "/libtorch_cpu.so";
  std::set<std::string> folders;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto start = line.find('/');
    if (start == std::string::npos || line.size() < start + file.size()) continue;
    if (line.compare(line.size() - file.size(), file.size(), file) != 0) continue;
    folders.insert(line.substr(start, line.size() - start - file.size()));
  }
  return folders;
}

/// Environment variables for as long as it lives; those that are set already stay as they are. Child
/// processes are not to inherit them.
class Defaults {
 public:
  explicit Defaults(const Environment& environment) {
    for (const auto& [name, value] : environment) {
      if (getenv(name.c_str()) != nullptr) continue;
      setenv(name.c_str(), value.c_str(), 1);
      set_.push_back(name);
    }
  }
  ~Defaults() {
    for (const auto& name : set_) unsetenv(name.c_str());
  }
  Defaults(const Defaults&) = delete;
  Defaults& operator=(const Defaults&) = delete;

 private:
  std::vector<std::string> set_;
};

/// Opens libtorch.so with defaults for the environment that its OpenMP reads; its version as
/// aoti_torch_abi_version has it.
uint64_t open_libtorch(const std::string& path, const Environment& environment) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const Defaults defaults(environment);
  void* library = open_library(path);
  // Some OpenMP libraries read the environment when they are first used.
  if (const auto first_use = reinterpret_cast<int (*)()>(dlsym(library, "omp_get_max_threads"))) first_use();
  return reinterpret_cast<AbiVersion>(find_function(library, path, "aoti_torch_abi_version"))();
}

struct Libtorch {
  std::string path;
  Environment environment;
};

/// (libFolder: string, environment: Record<string, string>)
Libtorch libtorch_arguments(const Napi::CallbackInfo& info) {
  Libtorch libtorch{info[0].As<Napi::String>().Utf8Value() + "/libtorch.so", {}};
  const Napi::Object environment = info[1].As<Napi::Object>();
  const Napi::Array names = environment.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    libtorch.environment[name] = environment.Get(name).As<Napi::String>().Utf8Value();
  }
  return libtorch;
}

/// mappedLibtorch(): string[]. Two libtorches in one process abort it, so callers look here first.
Napi::Value mapped_libtorch(const Napi::CallbackInfo& info) {
  const auto folders = mapped_libtorch_folders();
  Napi::Array result = Napi::Array::New(info.Env(), folders.size());
  uint32_t index = 0;
  for (const auto& folder : folders) result.Set(index++, folder);
  return result;
}

/// open(libFolder, environment): {major, minor, patch}. Never closed. Throws what dlopen says.
Napi::Value open_libtorch_now(const Napi::CallbackInfo& info) {
  const auto [path, environment] = libtorch_arguments(info);
  const uint64_t abi = open_libtorch(path, environment);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("major", static_cast<double>(abi >> 56 & 0xff));
  result.Set("minor", static_cast<double>(abi >> 48 & 0xff));
  result.Set("patch", static_cast<double>(abi >> 40 & 0xff));
  return result;
}

/// open() on a thread of libuv's pool.
struct Preload {
  Libtorch libtorch;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  std::string failure;

  static void run(napi_env, void* data) noexcept {
    auto* preload = static_cast<Preload*>(data);
    try {
      open_libtorch(preload->libtorch.path, preload->libtorch.environment);
    } catch (const std::exception& error) {
      preload->failure = error.what();
    }
  }

  static void complete(napi_env env, napi_status, void* data) noexcept {
    const std::unique_ptr<Preload> preload(static_cast<Preload*>(data));
    napi_delete_async_work(env, preload->work);
    guarded(env, [&]() -> napi_value {
      if (preload->failure.empty())
        napi_resolve_deferred(env, preload->deferred, Napi::Env(env).Undefined());
      else
        napi_reject_deferred(env, preload->deferred, Napi::Error::New(env, preload->failure).Value());
      return nullptr;
    });
  }
};

/// preload(libFolder, environment): Promise<void>. What open() does, off the JavaScript thread.
Napi::Value preload_libtorch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto check = [&](napi_status status) {
    if (status != napi_ok) throw Napi::Error::New(env);
  };
  auto preload = std::make_unique<Preload>();
  preload->libtorch = libtorch_arguments(info);
  napi_value promise = nullptr;
  check(napi_create_promise(env, &preload->deferred, &promise));
  check(napi_create_async_work(env, nullptr, Napi::String::New(env, "dinov3-seg preload"), Preload::run,
                               Preload::complete, preload.get(), &preload->work));
  check(napi_queue_async_work(env, preload->work));
  preload.release();
  return Napi::Value(env, promise);
}

/// openLibrary(path: string). For libraries that need what is open already. Never closed. Throws what dlopen
/// says.
Napi::Value open_library_now(const Napi::CallbackInfo& info) {
  open_library(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

/// isFirst(key: string): boolean. Whether no thread of this process has asked with this key before.
Napi::Value is_first(const Napi::CallbackInfo& info) {
  static std::mutex mutex;
  static std::set<std::string> asked;
  const std::lock_guard lock(mutex);
  return Napi::Boolean::New(info.Env(), asked.insert(info[0].As<Napi::String>().Utf8Value()).second);
}

}  // namespace
}  // namespace dinov3_seg

NAPI_MODULE_INIT() {
  using namespace dinov3_seg;
  return guarded(env, [&]() -> napi_value {
    const Napi::Object object(env, exports);
    export_function<mapped_libtorch>(env, object, "mappedLibtorch");
    export_function<open_libtorch_now>(env, object, "open");
    export_function<preload_libtorch>(env, object, "preload");
    export_function<open_library_now>(env, object, "openLibrary");
    export_function<is_first>(env, object, "isFirst");
    export_function<read_cuda_kernels>(env, object, "readCudaKernels");
    export_function<use_cuda_kernels>(env, object, "useCudaKernels");
    return exports;
  });
}
