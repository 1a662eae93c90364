#include "core/memory_limit.h"

#include <array>
#include <atomic>

namespace dinov3_seg {
namespace {

std::atomic<std::int64_t>& limit_of(c10::Device device) {
  static std::array<std::atomic<std::int64_t>, 128> limits{};
  return limits.at(static_cast<std::size_t>(device.has_index() ? device.index() : 0));
}

}  // namespace

std::int64_t memory_limit(c10::Device device) { return device.is_cpu() ? 0 : limit_of(device).load(); }

void set_memory_limit(c10::Device device, std::int64_t bytes) { limit_of(device).store(bytes); }

}  // namespace dinov3_seg
