#include "core/intraop_threads.h"

#include <ATen/Parallel.h>

#include <atomic>

namespace dinov3_seg {
namespace {

std::atomic<int> wanted = 0;  // 0: libtorch's own number
thread_local int used = 0;

}  // namespace

void set_intraop_threads(int threads) {
  wanted = threads;
  use_intraop_threads();
}

void use_intraop_threads() {
  const int threads = wanted;
  if (threads == used) return;
  at::set_num_threads(threads);
  used = threads;
}

}  // namespace dinov3_seg
