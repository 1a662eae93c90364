// When memory that libtorch keeps for reuse may go back to the devices: what a thread has freed, kernels that
// it launched may still use. libtorch's allocator gives back the memory of all devices at once.
#pragma once

#include <c10/core/Device.h>

#include <functional>

namespace dinov3_seg {

/// While it lives, the thread may launch work on the device. Inside another one of the thread, and for the
/// CPU, it does nothing.
class LaunchGuard {
 public:
  explicit LaunchGuard(c10::Device device);
  ~LaunchGuard();
  LaunchGuard(const LaunchGuard&) = delete;
  LaunchGuard& operator=(const LaunchGuard&) = delete;

 private:
  bool holds_;
};

/// Calls `function` while no thread has a LaunchGuard, except this one, and all devices are done with what
/// was launched. Not to be called while a CUDA graph is recorded.
void while_devices_idle(const std::function<void()>& function);

}  // namespace dinov3_seg
