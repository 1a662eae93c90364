// CUDA graphs: the launches of a stretch of work, recorded once and repeated without the host in between. The
// plugin of CUDA kernels has them; without it there are none.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <mutex>

namespace dinov3_seg {

bool has_cuda_graphs();

/// A recorded stretch of work and the device memory that it uses, which is its own until it is freed.
class CudaGraph {
 public:
  /// Begins to record what this thread launches on the device, on a stream of its own; waits for what runs
  /// there, and for recordings of other threads. Nothing is computed meanwhile, and nothing may wait for the
  /// device.
  explicit CudaGraph(c10::Device device);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// Whether this thread records one.
  static bool is_recording();

  /// Ends the recording; it has to be ended before anything else is launched. Throws where that failed.
  void end();
  /// Computes what was recorded, from and to the same memory, on the current stream; does not wait.
  void replay();

 private:
  std::unique_lock<std::mutex> recording_;  // of one device at a time
  int64_t handle_;
};

}  // namespace dinov3_seg
