// Takes the kernels that loader.node hands over and registers the operators that launch them. Without this
// call there are no such operators, and libtorch's own serve; CUDA graphs do not depend on it.
#include <mutex>

#include "ops/cuda/launch.h"
#include "ops/cuda/operators.h"

namespace dinov3_seg {
namespace {

const cuda::KernelLibrary* given = nullptr;

void use(const cuda::KernelLibrary* library) {
  static std::once_flag once;
  std::call_once(once, [&] {
    given = library;
    // Never destroyed: a job may run while the process ends.
    auto& operators =
        *new torch::Library(torch::Library::IMPL, "dinov3_seg", c10::DispatchKey::CUDA, __FILE__, __LINE__);
    implement_score_operators(operators);
    implement_network_operators(operators);
    implement_map_operators(operators);
    implement_quantized_operators(operators);
  });
}

}  // namespace

bool has_kernels() { return given != nullptr; }

const cuda::KernelLibrary& kernel_library() { return *given; }

}  // namespace dinov3_seg

extern "C" __attribute__((visibility("default"))) bool dinov3_seg_use_cuda_kernels(
    const dinov3_seg::cuda::KernelLibrary* library) {
  if (library->interface != KERNEL_INTERFACE) return false;
  dinov3_seg::use(library);
  return true;
}
