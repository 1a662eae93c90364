#include "core/tf32.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

namespace dinov3_seg {
namespace {

/// Of the process. When the last one inside leaves, all that wait for the other state come in together.
class Tf32Switch {
 public:
  void enter(bool allow) {
    std::unique_lock lock(mutex_);
    const bool nobody_waits = waiting_[0] + waiting_[1] == 0;
    if (nobody_waits && (inside_ == 0 || allowed_ == allow)) {
      set(allow);
      ++inside_;
      return;
    }
    ++waiting_[allow];
    opened_.wait(lock, [&, before = openings_[allow]] { return openings_[allow] != before; });
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ > 0) return;
    const bool next = waiting_[!allowed_] > 0 ? !allowed_ : allowed_;
    if (waiting_[next] == 0) return;
    set(next);
    inside_ = std::exchange(waiting_[next], 0);
    ++openings_[next];
    opened_.notify_all();
  }

 private:
  void set(bool allow) {
    if (allow == allowed_) return;
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
    allowed_ = allow;
  }

  std::mutex mutex_;
  std::condition_variable opened_;
  std::array<int64_t, 2> waiting_{};    // for either state
  std::array<uint64_t, 2> openings_{};  // how often those that waited for it came in
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
