// Devices: the list, their memory, and waiting for their work.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include "bindings/method.h"
#include "core/device.h"
#include "core/error.h"
#include "core/torch_logging.h"

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
          {"peakReservedBytes", stats.reserved_bytes[all].peak}};
}

void reset_peak_memory(c10::Device device) { at::accelerator::resetPeakStats(accelerator_index(device)); }

void synchronize(c10::Device device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

const Methods device_methods{
    call<&list_devices>("devices"),
    call<&memory_stats>("memoryStats", "device"),
    call<&reset_peak_memory>("resetPeakMemory", "device"),
    job<Lane::model, &synchronize>("synchronize", "device"),
    call<&take_warnings>("takeWarnings"),
};

}  // namespace
}  // namespace dinov3_seg
