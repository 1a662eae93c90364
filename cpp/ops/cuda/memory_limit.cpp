// A limit of libtorch's allocator as an operator without tensors, so that the engine needs no library of
// CUDA's.
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/library.h>

#include <algorithm>

namespace dinov3_seg {
namespace {

void limit_memory(int64_t device_index, int64_t bytes) {
  at::globalContext().lazyInitDevice(c10::kCUDA);
  const auto device = static_cast<c10::DeviceIndex>(device_index);
  const auto total = static_cast<double>(at::accelerator::getMemoryInfo(device).second);
  const double share = std::min(1.0, static_cast<double>(bytes) / total);
  c10::cuda::CUDACachingAllocator::setMemoryFraction(share, device);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(dinov3_seg, library) {
  library.def("limit_memory(int device, int bytes) -> ()", limit_memory);
}

}  // namespace dinov3_seg
