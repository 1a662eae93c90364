// loader.node: opens a libtorch by path, so that engine.node, whose DT_NEEDED entries have no path,
// finds it already loaded. Knows nothing of libtorch itself.
#include <dlfcn.h>
#include <napi.h>

#include <fstream>
#include <set>
#include <string>

namespace {

using AbiVersion = uint64_t (*)();

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

/// mappedLibtorch(): string[]. Two libtorches in one process abort it, so callers look here first.
Napi::Value mapped_libtorch(const Napi::CallbackInfo& info) {
  const auto folders = mapped_libtorch_folders();
  Napi::Array result = Napi::Array::New(info.Env(), folders.size());
  uint32_t index = 0;
  for (const auto& folder : folders) result.Set(index++, folder);
  return result;
}

/// open(libFolder: string): {major, minor, patch}. Never closed. Throws what dlopen says.
Napi::Value open_libtorch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].As<Napi::String>().Utf8Value() + "/libtorch.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Napi::Error::New(env, dlerror());
  const auto version = reinterpret_cast<AbiVersion>(dlsym(library, "aoti_torch_abi_version"));
  if (version == nullptr)
    throw Napi::Error::New(env, path + " does not say its version (aoti_torch_abi_version)");
  const uint64_t abi = version();
  Napi::Object result = Napi::Object::New(env);
  result.Set("major", Napi::Number::New(env, static_cast<double>(abi >> 56 & 0xff)));
  result.Set("minor", Napi::Number::New(env, static_cast<double>(abi >> 48 & 0xff)));
  result.Set("patch", Napi::Number::New(env, static_cast<double>(abi >> 40 & 0xff)));
  return result;
}

/// openLibrary(path: string). For libraries that need what is open already. Never closed. Throws what dlopen
/// says.
Napi::Value open_library(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) throw Napi::Error::New(info.Env(), dlerror());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("mappedLibtorch", Napi::Function::New(env, mapped_libtorch));
  exports.Set("open", Napi::Function::New(env, open_libtorch));
  exports.Set("openLibrary", Napi::Function::New(env, open_library));
  return exports;
}

NODE_API_MODULE(loader, init)

}  // namespace
