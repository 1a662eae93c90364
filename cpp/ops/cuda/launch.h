// Launches kernels of cuda_kernels.so on libtorch's current stream.
#pragma once

#include <c10/util/Exception.h>

#include <utility>

#include "ops/cuda/kernel_table.h"
#include "ops/cuda/libtorch_cuda.h"

namespace dinov3_seg {

/// Whether loader.node has handed a library over.
bool has_kernels();

/// That library; operators that need it are registered after that.
const cuda::KernelLibrary& kernel_library();

inline const cuda::KernelTable& kernels() { return *kernel_library().table; }

/// Calls a function of the table with these arguments and the current stream of the current device.
template <typename Launch, typename... Arguments>
void launch(Launch kernel, Arguments&&... arguments) {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream().stream();
  const int error = kernel(std::forward<Arguments>(arguments)..., stream);
  TORCH_CHECK(error == 0, "CUDA error: ", kernel_library().error_text(error));
}

}  // namespace dinov3_seg
