#include "loader/cuda_libraries.h"

#include <algorithm>
#include <array>
#include <string>

#include "loader/open_library.h"
#include "ops/cuda/kernel_library.h"

namespace dinov3_seg {
namespace {

const cuda::KernelLibrary& kernel_library(const std::string& path) {
  void* function = find_function(open_library(path), path, "dinov3_seg_cuda_kernels");
  return *reinterpret_cast<DinoSegCudaKernels>(function)();
}

std::string text_argument(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::String>().Utf8Value();
}

}  // namespace

Napi::Value read_cuda_kernels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const cuda::KernelLibrary& library = kernel_library(text_argument(info, 0));
  // libtorch knows at most 120.
  std::array<cuda::KernelDevice, 128> found{};
  const int driver = library.driver();
  const int count = driver == 0 ? 0 : library.devices(found.data(), static_cast<int>(found.size()));
  Napi::Array devices = Napi::Array::New(env);
  for (int i = 0; i < std::min(count, static_cast<int>(found.size())); ++i) {
    Napi::Object device = Napi::Object::New(env);
    device.Set("major", found[i].major);
    device.Set("minor", found[i].minor);
    devices.Set(static_cast<uint32_t>(i), device);
  }
  Napi::Object facts = Napi::Object::New(env);
  facts.Set("runtime", library.runtime);
  facts.Set("driver", driver);
  facts.Set("architectures", library.architectures);
  facts.Set("ptx", library.ptx);
  facts.Set("devices", devices);
  if (count < 0) facts.Set("problem", library.error_text(-count));
  return facts;
}

Napi::Value use_cuda_kernels(const Napi::CallbackInfo& info) {
  const cuda::KernelLibrary& library = kernel_library(text_argument(info, 0));
  const std::string operators = text_argument(info, 1);
  void* use = find_function(open_library(operators), operators, "dinov3_seg_use_cuda_kernels");
  return Napi::Boolean::New(info.Env(), reinterpret_cast<DinoSegUseCudaKernels>(use)(&library));
}

}  // namespace dinov3_seg
