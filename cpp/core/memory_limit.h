// The share of a GPU's memory that the process may take.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace dinov3_seg {

/// Left of a process's share for what libtorch's allocator does not count: CUDA's context and the libraries'
/// code. 0.6 to 0.8 GB on an H200; less on smaller GPUs.
inline constexpr std::int64_t context_bytes = 800'000'000;

/// Bytes that libtorch's allocator may hold on the device; 0: as many as there are.
std::int64_t memory_limit(c10::Device device);

/// From now on libtorch's allocator grows the segments that it has, where it would add others: what one
/// tensor leaves free is of use to any other, and a process needs little more than its tensors. No effect
/// where PYTORCH_ALLOC_CONF or PYTORCH_CUDA_ALLOC_CONF says whether to.
void use_expandable_segments();

/// Notes the limit, for free_memory() and all that depend on it. Any thread.
void set_memory_limit(c10::Device device, std::int64_t bytes);

}  // namespace dinov3_seg
