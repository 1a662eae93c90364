// Changes of recorded graphs.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace dinov3_seg::cuda {

/// Replaces the small fills of a graph that is not instantiated yet by kernels that do the same, which take
/// less time in it. 0, or CUDA's error code; the graph must not be used then.
int replace_fills(cudaGraph_t graph);

}  // namespace dinov3_seg::cuda
