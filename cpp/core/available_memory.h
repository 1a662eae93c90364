// Whether there is memory for what is about to be done, and what an error says where there was none.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <mutex>
#include <string>

namespace dinov3_seg {

/// Bytes that can be had on a device now; on CUDA with the blocks that libtorch keeps for reuse. 0 where it
/// is not known.
int64_t free_memory(c10::Device device);

/// Throws OUT_OF_MEMORY where `bytes` are not to be had on the device: "<doing> needs …, … are free".
/// `advice`: what to change, as a sentence. Does nothing where it is not known what is free.
void require_memory(c10::Device device, uint64_t bytes, const std::string& doing, const std::string& advice);

/// Whether the exception means that memory ran out: by its type, or by its text where TorchScript or an
/// allocator of the CPU left no type.
bool is_out_of_memory(const std::exception& error);

/// The message of OUT_OF_MEMORY for such an exception: what the job was doing (say_doing), what libtorch
/// says, what is free, and what to change.
std::string out_of_memory_message(const std::exception& error);

/// Gives back what libtorch's allocator of CUDA memory keeps for reuse on all devices, so that other sizes
/// fit. Waits until no job launches anything, and for all devices. Never throws.
void release_cached_memory() noexcept;

/// Held while a CUDA graph is recorded and while a recording is freed, which waits for the device.
std::mutex& recording_mutex();

/// "1.5 GiB".
std::string memory_text(uint64_t bytes);

}  // namespace dinov3_seg
