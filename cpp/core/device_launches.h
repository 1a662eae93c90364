// When all threads that launch work on devices must wait. Memory that libtorch keeps for reuse may go back to
// the devices then: what a thread has freed, kernels that it launched may still use, and libtorch's allocator
// gives back the memory of all devices at once. And a network's first pass runs then, in which the libraries
// that it calls set themselves up: where two devices did so at once, one of the two passes was rounded in
// another way than all later ones (libtorch 2.11 on two H200).
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
/// was launched. Inside such a call of the thread it waits for the devices alone. Not to be called while a
/// CUDA graph is recorded.
void while_devices_idle(const std::function<void()>& function);

}  // namespace dinov3_seg
