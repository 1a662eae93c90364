#include "core/available_memory.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <new>
#include <string_view>

#include "core/device_launches.h"
#include "core/error.h"
#include "core/host_memory.h"
#include "core/job_control.h"
#include "core/memory_limit.h"

namespace dinov3_seg {
namespace {

/// Messages of allocators: CUDA's type of exception does not survive TorchScript, and the CPU has none.
constexpr std::array<std::string_view, 4> phrases = {
    "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"};

/// The line of a text that reports missing memory, without TorchScript's prefix; empty if there is none.
std::string telling_line(std::string_view text) {
  for (const std::string_view phrase : phrases) {
    const auto found = text.find(phrase);
    if (found == text.npos) continue;
    const auto before = text.rfind('\n', found);
    const auto begin = before == text.npos ? 0 : before + 1;
    std::string line(text.substr(begin, text.find('\n', found) - begin));
    for (const std::string_view prefix : {"RuntimeError: ", "err == 0. "}) {
      const auto end = line.find(prefix);
      if (end != line.npos) line.erase(0, end + prefix.size());
    }
    return line;
  }
  return "";
}

std::string text_of(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  return own ? own->what_without_backtrace() : error.what();
}

}  // namespace

std::string memory_text(uint64_t bytes) {
  std::array<char, 32> text{};
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  if (mebibytes < 1024)
    std::snprintf(text.data(), text.size(), "%.1f MiB", mebibytes);
  else
    std::snprintf(text.data(), text.size(), "%.1f GiB", mebibytes / 1024);
  return text.data();
}

int64_t free_memory(c10::Device device) {
  if (device.is_cpu()) return free_host_memory();
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto free = static_cast<int64_t>(at::accelerator::getMemoryInfo(index).first);
  auto* allocator = at::getDeviceAllocator(device.type());
  if (!allocator->initialized()) return free;
  const auto stats = allocator->getDeviceStats(index);
  const int64_t available = free + stats.reserved_bytes[0].current - stats.allocated_bytes[0].current;
  const int64_t limit = memory_limit(device);
  if (limit == 0) return available;
  // At least 1: 0 would say that it is not known.
  return std::max<int64_t>(1, std::min(available, limit - stats.allocated_bytes[0].current));
}

void require_memory(c10::Device device, uint64_t bytes, const std::string& doing, const std::string& advice) {
  const int64_t free = free_memory(device);
  if (free == 0 || bytes <= static_cast<uint64_t>(free)) return;
  fail("OUT_OF_MEMORY", doing, " needs ", memory_text(bytes), " on ", device.str(), ", ",
       memory_text(static_cast<uint64_t>(free)), " are free. ", advice);
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) || dynamic_cast<const std::bad_alloc*>(&error))
    return true;
  return !telling_line(text_of(error)).empty();
}

std::string out_of_memory_message(const std::exception& error) {
  const std::string doing = current_doing();
  std::string line = telling_line(text_of(error));
  std::string message = (doing.empty() ? "The job" : doing) + " needs more memory than is available";
  if (!line.empty()) message += ": " + line;
  while (message.ends_with('.') || message.ends_with(' ')) message.pop_back();
  message += ". The host has " + memory_text(static_cast<uint64_t>(free_host_memory())) +
             " free. Use fewer images per pass (--pass-size; training: --batch-size), smaller images "
             "(--image-size), --dtype bfloat16 or another device, or end other processes on this one";
  return message;
}

std::mutex& recording_mutex() {
  // Never destroyed: threads of ours outlive the static destructors.
  static auto* mutex = new std::mutex;
  return *mutex;
}

void release_cached_memory() noexcept {
  try {
    if (!at::hasCUDA() || !at::globalContext().hasCUDA()) return;
    auto* allocator = at::getDeviceAllocator(c10::kCUDA);
    if (allocator->initialized()) while_devices_idle([&] { allocator->emptyCache(); });
  } catch (const std::exception&) {
    // Best effort: the original error is reported.
  }
}

}  // namespace dinov3_seg
