// How much memory the host has.
#pragma once

#include <cstdint>

namespace dinov3_seg {

/// Bytes of the host, or of the control group that the process may not exceed (a container's limit). 0 where
/// it is not known.
int64_t total_host_memory();

/// Bytes that can be had without swapping: what the kernel estimates (MemAvailable), or what the control
/// group leaves where that is less. 0 where it is not known.
int64_t free_host_memory();

}  // namespace dinov3_seg
