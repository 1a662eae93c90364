// Devices: the list, their memory, and waiting for their work.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include "bindings/method.h"
#include "core/available_memory.h"
#include "core/device.h"
#include "core/error.h"
#include "core/host_memory.h"
#include "core/memory_limit.h"
#include "core/torch_logging.h"
#include "ops/cap_memory.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<DeviceDescription> = std::tuple{
    field("name", &DeviceDescription::name), field("description", &DeviceDescription::description),
    field("totalBytes", &DeviceDescription::total_bytes), field("freeBytes", &DeviceDescription::free_bytes)};

namespace {

/// The index of a CUDA device, with its allocator initialised.
c10::DeviceIndex accelerator_index(c10::Device device) {
  if (device.is_cpu())
    fail("DEVICE", "expected a CUDA device, got cpu, for which libtorch does not count memory");
  at::globalContext().lazyInitDevice(device.type());
  return device.index();
}

std::map<std::string, int64_t> memory_stats(c10::Device device) {
  const auto stats = at::accelerator::getDeviceStats(accelerator_index(device));
  constexpr size_t all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return {{"allocatedBytes", stats.allocated_bytes[all].current},
          {"peakAllocatedBytes", stats.allocated_bytes[all].peak},
          {"reservedBytes", stats.reserved_bytes[all].current},
          {"peakReservedBytes", stats.reserved_bytes[all].peak},
          {"retries", stats.num_alloc_retries}};
}

/// What the process may take of a device: `totalBytes` whatever else is there, `freeBytes` now.
std::map<std::string, int64_t> memory_room(c10::Device device) {
  if (!device.is_cpu()) accelerator_index(device);
  const int64_t limit = memory_limit(device);
  int64_t total = total_host_memory();
  if (!device.is_cpu()) total = static_cast<int64_t>(at::accelerator::getMemoryInfo(device.index()).second);
  return {{"totalBytes", limit > 0 ? std::min(limit, total) : total},
          {"freeBytes", free_memory(device)},
          {"contextBytes", device.is_cpu() ? 0 : context_bytes}};
}

void reset_peak_memory(c10::Device device) { at::accelerator::resetPeakStats(accelerator_index(device)); }

void synchronize(c10::Device device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

const Methods device_methods{
    call<&list_devices>("devices"),
    call<&memory_stats>("memoryStats", "device"),
    call<&memory_room>("memoryRoom", "device"),
    call<&cap_memory>("capMemory", "device", "bytes"),
    call<&reset_peak_memory>("resetPeakMemory", "device"),
    job<Lane::model, &synchronize>("synchronize", "device"),
    call<&take_warnings>("takeWarnings"),
};

}  // namespace
}  // namespace dinov3_seg
