#include "core/tf32.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace dinov3_seg {
namespace {

/// Of the process.
class Tf32Switch {
 public:
  void enter(bool allow) {
    std::unique_lock lock(mutex_);
    const uint64_t turn = next_turn_++;
    // In the order of arrival: neither side can keep the other out.
    changed_.wait(lock, [&] { return turn == turn_ && (inside_ == 0 || allowed_ == allow); });
    if (allowed_ != allow) set(allow);
    ++inside_;
    ++turn_;
    lock.unlock();
    changed_.notify_all();
  }

  void leave() {
    {
      const std::lock_guard lock(mutex_);
      --inside_;
    }
    changed_.notify_all();
  }

 private:
  void set(bool allow) {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
    allowed_ = allow;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_turn_ = 0, turn_ = 0;
  int64_t inside_ = 0;
  bool allowed_ = false;  // as configure_libtorch leaves it
};

Tf32Switch& tf32_switch() {
  // Never destroyed: threads of ours outlive the static destructors.
  static auto* all = new Tf32Switch;
  return *all;
}

thread_local bool inside = false;

}  // namespace

Tf32Guard::Tf32Guard(c10::Device device, bool allow) : holds_(!device.is_cpu() && !inside) {
  if (!holds_) return;
  tf32_switch().enter(allow);
  inside = true;
}

Tf32Guard::~Tf32Guard() {
  if (!holds_) return;
  inside = false;
  tf32_switch().leave();
}

at::Tensor mm_float32(const at::Tensor& a, const at::Tensor& b) {
  const Tf32Guard float32(a.device(), false);
  return at::mm(a, b);
}

}  // namespace dinov3_seg
