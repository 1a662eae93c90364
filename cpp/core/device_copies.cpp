#include "core/device_copies.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace dinov3_seg {
namespace {

// Pinned memory is slow to get, and libtorch keeps it: larger tensors pass through a few pieces of this size.
constexpr int64_t piece_bytes = 16 << 20;

/// In memory that a device reads and writes without the host's help.
at::Tensor pinned_like(const at::Tensor& tensor) {
  const auto options = at::TensorOptions().dtype(tensor.dtype()).device(at::kCPU).pinned_memory(true);
  return at::empty(tensor.sizes(), options);
}

/// A device's stream for uploads: one, since libtorch keeps memory for reuse for each stream. An upload at a
/// time, since the pixels of several large images may not fit.
struct Aside {
  explicit Aside(c10::Stream stream) : stream(stream) {}
  c10::Stream stream;
  std::mutex turn;
};

Aside& aside_of(c10::Device device) {
  static std::mutex mutex;
  // Never destroyed: threads of ours outlive the static destructors.
  static auto* all = new std::map<c10::DeviceIndex, Aside>;
  const std::lock_guard lock(mutex);
  const auto found = all->find(device.index());
  if (found != all->end()) return found->second;
  const c10::impl::VirtualGuardImpl guard(device.type());
  return all->try_emplace(device.index(), guard.getStreamFromGlobalPool(device)).first->second;
}

}  // namespace

at::Tensor upload(const at::Tensor& tensor, c10::Device device,
                  const std::function<at::Tensor(const at::Tensor& uploaded)>& use) {
  if (device.is_cpu()) return use ? use(tensor) : tensor;
  const c10::Stream user = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  Aside& aside = aside_of(device);
  const at::Tensor values = tensor.contiguous().flatten();
  const std::lock_guard turn(aside.turn);
  c10::Event done(device.type());
  at::Tensor result;
  {
    const c10::StreamGuard on(aside.stream);
    result = at::empty(tensor.sizes(), tensor.options().device(device));
    const int64_t piece = std::max<int64_t>(1, piece_bytes / static_cast<int64_t>(tensor.element_size()));
    for (int64_t first = 0; first < values.numel(); first += piece) {
      const at::Tensor part = values.narrow(0, first, std::min(piece, values.numel() - first));
      result.flatten().narrow(0, first, part.numel()).copy_(pinned_like(part).copy_(part), true);
    }
    if (use) result = use(result);
    done.record(aside.stream);
  }
  done.synchronize();
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
