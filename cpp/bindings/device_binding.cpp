// Devices: what there is, their memory, and waiting for them.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/torch_logging.h"

namespace dinov3_seg {
namespace {

/// devices(): DeviceInfo[]
Napi::Value devices(const Napi::CallbackInfo& info) {
  const auto found = list_devices();
  Napi::Array result = Napi::Array::New(info.Env(), found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    Napi::Object device = Napi::Object::New(info.Env());
    device.Set("name", found[i].name);
    device.Set("description", found[i].description);
    device.Set("totalBytes", static_cast<double>(found[i].total_bytes));
    device.Set("freeBytes", static_cast<double>(found[i].free_bytes));
    result.Set(static_cast<uint32_t>(i), device);
  }
  return result;
}

c10::Device accelerator_argument(const Napi::Value& value) {
  const c10::Device device = parse_device(string_argument(value, "device"));
  if (device.is_cpu()) fail("DEVICE", "expected a CUDA device, got cpu: libtorch counts no memory there");
  at::globalContext().lazyInitDevice(device.type());  // there is no allocator to ask before
  return device;
}

/// memoryStats(device): {allocatedBytes, peakAllocatedBytes, reservedBytes, peakReservedBytes}
Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  const auto stats = at::accelerator::getDeviceStats(accelerator_argument(info[0]).index());
  constexpr size_t all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("allocatedBytes", static_cast<double>(stats.allocated_bytes[all].current));
  result.Set("peakAllocatedBytes", static_cast<double>(stats.allocated_bytes[all].peak));
  result.Set("reservedBytes", static_cast<double>(stats.reserved_bytes[all].current));
  result.Set("peakReservedBytes", static_cast<double>(stats.reserved_bytes[all].peak));
  return result;
}

/// resetPeakMemory(device)
Napi::Value reset_peak_memory(const Napi::CallbackInfo& info) {
  at::accelerator::resetPeakStats(accelerator_argument(info[0]).index());
  return info.Env().Undefined();
}

/// synchronize(device): Promise<void>
Napi::Value synchronize(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [device = parse_device(string_argument(info[0], "device"))]() -> ToJs {
    if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

/// takeWarnings(): string[]
Napi::Value warnings(const Napi::CallbackInfo& info) {
  const auto texts = take_warnings();
  Napi::Array result = Napi::Array::New(info.Env(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) result.Set(static_cast<uint32_t>(i), texts[i]);
  return result;
}

}  // namespace

void export_devices(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<devices>>(env, exports, "devices");
  export_function<synchronous<memory_stats>>(env, exports, "memoryStats");
  export_function<synchronous<reset_peak_memory>>(env, exports, "resetPeakMemory");
  export_function<asynchronous<synchronize>>(env, exports, "synchronize");
  export_function<synchronous<warnings>>(env, exports, "takeWarnings");
}

}  // namespace dinov3_seg
