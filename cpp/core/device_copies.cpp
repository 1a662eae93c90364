#include "core/device_copies.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace dinov3_seg {
namespace {

/// In memory that a device reads and writes without the host's help.
at::Tensor pinned_like(const at::Tensor& tensor) {
  const auto options = at::TensorOptions().dtype(tensor.dtype()).device(at::kCPU).pinned_memory(true);
  return at::empty(tensor.sizes(), options);
}

}  // namespace

at::Tensor upload(const at::Tensor& tensor, c10::Device device) {
  if (device.is_cpu()) return tensor;
  const c10::impl::VirtualGuardImpl guard(device.type());
  const c10::Stream user = guard.getStream(device);
  const c10::Stream copying = guard.getStreamFromGlobalPool(device);
  const at::Tensor staged = pinned_like(tensor).copy_(tensor);
  at::Tensor result;
  {
    const c10::StreamGuard on(copying);
    result = at::empty(tensor.sizes(), tensor.options().device(device));
    result.copy_(staged, /*non_blocking=*/true);
  }
  copying.synchronize();
  // The allocator gives the memory to another upload only after what the user's stream does with it.
  result.record_stream(user);
  return result;
}

HostCopies::HostCopies(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) {
    if (tensor.is_cpu()) {
      tensors_.push_back(tensor);
      continue;
    }
    tensors_.push_back(pinned_like(tensor).copy_(tensor, /*non_blocking=*/true));
    const c10::Device device = tensor.device();
    const c10::impl::VirtualGuardImpl guard(device.type());
    if (!copied_) copied_.emplace(device.type());
    copied_->record(guard.getStream(device));
  }
}

void HostCopies::wait() const {
  if (copied_) copied_->synchronize();
}

}  // namespace dinov3_seg
