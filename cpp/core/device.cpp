#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <unistd.h>

#include <cctype>

#include "core/error.h"
#include "core/host_memory.h"

namespace dinov3_seg {
int cuda_devices() { return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0; }

c10::Device parse_device(const std::string& name) {
  if (name == "cpu") return {c10::kCPU};
  const bool numbered = name.rfind("cuda:", 0) == 0;
  const std::string digits = numbered ? name.substr(5) : "0";
  bool valid = name == "cuda" || (numbered && !digits.empty() && digits.size() <= 3);
  for (const char c : digits) valid = valid && std::isdigit(static_cast<unsigned char>(c));
  if (!valid) fail("DEVICE", "unknown device '", name, "': expected cpu, cuda or cuda:N");
  const int index = std::stoi(digits);
  const int count = cuda_devices();
  if (count == 0)
    fail("DEVICE", "'", name, "' was requested, but ",
         at::hasCUDA() ? "no CUDA device responds; check nvidia-smi"
                       : "this libtorch has no CUDA; install a CUDA build or choose cpu",
         " (`dinov3-seg doctor` lists the devices)");
  if (index >= count)
    fail("DEVICE", "'", name, "' was requested, but there are ", count, " CUDA devices (0 to ", count - 1,
         ")");
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

std::vector<DeviceDescription> list_devices() {
  std::vector<DeviceDescription> devices{{"cpu",
                                          std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " processors",
                                          total_host_memory(), free_host_memory()}};
  for (int index = 0; index < cuda_devices(); ++index) {
    const std::string name = "cuda:" + std::to_string(index);
    const auto [free_bytes, total_bytes] =
        at::accelerator::getMemoryInfo(static_cast<c10::DeviceIndex>(index));
    devices.push_back(
        {name, "CUDA device", static_cast<int64_t>(total_bytes), static_cast<int64_t>(free_bytes)});
  }
  return devices;
}

void configure_libtorch() {
  at::globalContext().setAllowTF32CuDNN(false);
  // Sums of products in float16 are float32, also those of the parts that cuBLAS splits a long sum into.
  at::globalContext().setAllowFP16ReductionCuBLAS(false);
  // Of no use to these networks, and each thread of a process on a processor that it does not know prints a
  // warning.
  at::globalContext().setUserEnabledNNPACK(false);
}

}  // namespace dinov3_seg
