// The libraries for CUDA beside an engine.
#pragma once

#include <napi.h>

namespace dinov3_seg {

/// readCudaKernels(path): what a cuda_kernels.so says of itself and of the visible devices, as KernelFacts of
/// lib/native/cuda-kernels.ts. Creates no context on a device. Throws what dlopen says.
Napi::Value read_cuda_kernels(const Napi::CallbackInfo& info);

/// useCudaKernels(kernels: string, operators: string): hands the kernels to a cuda_ops.so that openLibrary()
/// has opened. False where the two do not belong together. Throws what dlopen says.
Napi::Value use_cuda_kernels(const Napi::CallbackInfo& info);

}  // namespace dinov3_seg
