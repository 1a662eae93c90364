#include "core/device_launches.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

namespace dinov3_seg {
namespace {

/// Threads that launch, and those that wait until none does: they are let in first.
class Gate {
 public:
  void enter(c10::DeviceIndex device) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !idle_ && waiting_ == 0; });
    ++launching_;
    devices_.insert(device);
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --launching_;
    changed_.notify_all();
  }
  /// Those that were launched on.
  std::set<c10::DeviceIndex> devices() {
    const std::lock_guard lock(mutex_);
    return devices_;
  }
  /// Returns devices().
  std::set<c10::DeviceIndex> enter_idle() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [&] { return !idle_ && launching_ == 0; });
    --waiting_;
    idle_ = true;
    return devices_;
  }
  void leave_idle() {
    const std::lock_guard lock(mutex_);
    idle_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t launching_ = 0, waiting_ = 0;
  bool idle_ = false;
  std::set<c10::DeviceIndex> devices_;
};

Gate& gate() {
  // Never destroyed: threads of ours outlive the static destructors.
  static auto* all = new Gate;
  return *all;
}

/// The device of the thread's guard.
thread_local std::optional<c10::DeviceIndex> launching_on;
thread_local bool is_alone = false;

void synchronize(const std::set<c10::DeviceIndex>& devices) {
  for (const c10::DeviceIndex device : devices)
    c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(device);
}

}  // namespace

LaunchGuard::LaunchGuard(c10::Device device) : holds_(device.is_cuda() && !launching_on) {
  if (!holds_) return;
  launching_on = device.index();
  gate().enter(*launching_on);
}

LaunchGuard::~LaunchGuard() {
  if (!holds_) return;
  gate().leave();
  launching_on.reset();
}

void while_devices_idle(const std::function<void()>& function) {
  if (is_alone) {
    synchronize(gate().devices());
    return function();
  }
  const auto own = launching_on;
  if (own) gate().leave();
  struct Idle {
    explicit Idle(std::optional<c10::DeviceIndex> own) : own(own), devices(gate().enter_idle()) {
      is_alone = true;
    }
    ~Idle() {
      is_alone = false;
      gate().leave_idle();
      if (own) gate().enter(*own);
    }
    std::optional<c10::DeviceIndex> own;
    std::set<c10::DeviceIndex> devices;
  };
  const Idle idle(own);
  synchronize(idle.devices);
  function();
}

}  // namespace dinov3_seg
