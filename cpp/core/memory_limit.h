// The share of a GPU's memory that the process may take.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace dinov3_seg {

/// Left of a process's share for what libtorch's allocator does not count: CUDA's context and the libraries'
/// code. 0.5 to 0.7 GB on an H200; less on smaller GPUs.
inline constexpr std::int64_t context_bytes = 800'000'000;

/// Bytes that libtorch's allocator may hold on the device; 0: as many as there are.
std::int64_t memory_limit(c10::Device device);

/// Notes the limit, for free_memory() and all that depend on it. Any thread.
void set_memory_limit(c10::Device device, std::int64_t bytes);

}  // namespace dinov3_seg
