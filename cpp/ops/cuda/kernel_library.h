// What cuda_kernels.so exports: one C function that says what the library is and gives its table of kernels.
// Neither libtorch nor the CUDA runtime of whoever calls it matters: streams and pointers are the driver's.
#pragma once

#include <cstdint>

namespace dinov3_seg::cuda {

struct KernelTable;

/// Compute capability of a visible device, such as 9.0.
struct KernelDevice {
  int major, minor;
};

/// Members keep their places: others are added at the end.
struct KernelLibrary {
  /// Which KernelTable `table` is. A caller that was compiled with another one must not use it.
  uint32_t interface;
  /// CUDA's version, such as 13000.
  int runtime;
  /// Compute capabilities that there is machine code for, and those that there is PTX for: "80 86 90".
  const char *architectures, *ptx;
  /// The newest CUDA that the driver supports, as `runtime`; 0 without a driver.
  int (*driver)();
  /// Looks at the visible devices without creating a context on any; writes the first `most` of them. Gives
  /// their number, or a negative error code of CUDA.
  int (*devices)(KernelDevice* to, int most);
  const char* (*error_text)(int code);
  const KernelTable* table;
};

}  // namespace dinov3_seg::cuda

extern "C" {
/// Exported by cuda_kernels.so as `dinov3_seg_cuda_kernels`.
using DinoSegCudaKernels = const dinov3_seg::cuda::KernelLibrary* (*)();
/// Exported by cuda_ops.so as `dinov3_seg_use_cuda_kernels`: registers the operators that launch these
/// kernels, once. False, with nothing registered, where the two libraries are of different interfaces.
using DinoSegUseCudaKernels = bool (*)(const dinov3_seg::cuda::KernelLibrary*);
}
