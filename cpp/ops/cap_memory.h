// A cap on what the process takes of a GPU's memory.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace dinov3_seg {

/// The process takes `bytes` of the device's memory at most, CUDA's context among them: what is beyond is out
/// of memory as if the device were smaller. Kept by libtorch's allocator where the package's library for CUDA
/// is there, else by what free_memory() tells. Throws INVALID_ARGUMENT for the CPU and for less than a
/// context takes.
void cap_memory(c10::Device device, std::int64_t bytes);

}  // namespace dinov3_seg
