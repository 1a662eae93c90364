// Devices by name.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dinov3_seg {

/// `cpu`, `cuda` (device 0) or `cuda:N`. Throws DEVICE for any other name, and where CUDA or the device is
/// not there: a device that was asked for is never replaced by another.
c10::Device parse_device(const std::string& name);

struct DeviceDescription {
  std::string name;
  std::string description;
  int64_t total_bytes;
  int64_t free_bytes;
};

/// How many CUDA devices respond; takes no memory on them, as list_devices() does.
int cuda_devices();

/// The CPU, then each CUDA device.
std::vector<DeviceDescription> list_devices();

/// Switches off what libtorch has on by default and these networks are not to use: TF32 in cuDNN (float32
/// means float32 on every device, see tf32.h), sums in float16 in cuBLAS, and NNPACK. Once a process.
void configure_libtorch();

}  // namespace dinov3_seg
