#include "core/memory_limit.h"

#include <c10/core/AllocatorConfig.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <string>
#include <string_view>

namespace dinov3_seg {
namespace {

std::atomic<std::int64_t>& limit_of(c10::Device device) {
  static std::array<std::atomic<std::int64_t>, 128> limits{};
  return limits.at(static_cast<std::size_t>(device.has_index() ? device.index() : 0));
}

}  // namespace

void use_expandable_segments() {
  constexpr std::string_view name = "expandable_segments";
  for (const char* variable : {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"})
    if (const char* value = getenv(variable); value && std::string_view(value).find(name) != name.npos)
      return;
  if (!c10::CachingAllocator::AcceleratorAllocatorConfig::use_expandable_segments())
    c10::CachingAllocator::setAllocatorSettings(std::string(name) + ":True");
}

std::int64_t memory_limit(c10::Device device) { return device.is_cpu() ? 0 : limit_of(device).load(); }

void set_memory_limit(c10::Device device, std::int64_t bytes) { limit_of(device).store(bytes); }

}  // namespace dinov3_seg
