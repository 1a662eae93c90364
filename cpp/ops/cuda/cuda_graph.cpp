// CUDA graphs as operators without tensors, so that the engine needs no library of CUDA's.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDAFunctions.h>
#include <torch/library.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "core/error.h"
#include "ops/cuda/launch.h"

namespace dinov3_seg {
namespace {

struct Recording {
  explicit Recording(c10::cuda::CUDAStream on) : stream(on) {}

  at::cuda::CUDAGraph graph{/*keep_graph=*/true};
  c10::cuda::CUDAStream stream;
  /// While it is recorded.
  std::optional<c10::StreamGuard> guard;
};

std::mutex mutex;

/// Never destroyed: graphs would outlive CUDA at the end of the process.
std::map<int64_t, std::unique_ptr<Recording>>& recordings() {
  static auto* all = new std::map<int64_t, std::unique_ptr<Recording>>();
  return *all;
}

Recording& find(int64_t handle) {
  const std::lock_guard lock(mutex);
  const auto found = recordings().find(handle);
  if (found == recordings().end()) fail("INTERNAL", "there is no graph ", handle);
  return *found->second;
}

/// One stream a device for all recordings: libtorch keeps workspaces of cuBLAS for each. Of high priority,
/// since copies take streams of the other pool in turn: one of them would become a part of the recording.
c10::cuda::CUDAStream recording_stream(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const std::lock_guard lock(mutex);
  return streams.try_emplace(device, c10::cuda::getStreamFromPool(true, device)).first->second;
}

int64_t graph_begin(int64_t device_index) {
  static int64_t last = 0;
  const auto device = static_cast<c10::DeviceIndex>(device_index);
  const c10::DeviceGuard on_device({c10::kCUDA, device});
  c10::cuda::device_synchronize();
  auto recording = std::make_unique<Recording>(recording_stream(device));
  recording->guard.emplace(recording->stream);
  // Other threads (decoding, copies) go on meanwhile.
  recording->graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  const std::lock_guard lock(mutex);
  recordings().emplace(++last, std::move(recording));
  return last;
}

void graph_end(int64_t handle) {
  Recording& recording = find(handle);
  try {
    recording.graph.capture_end();
    if (has_kernels()) {
      const int error = kernels().replace_fills(recording.graph.raw_cuda_graph());
      TORCH_CHECK(error == 0, "CUDA error: ", kernel_library().error_text(error));
    }
    recording.graph.instantiate();
  } catch (...) {
    recording.guard.reset();
    throw;
  }
  recording.guard.reset();
}

void graph_replay(int64_t handle) { find(handle).graph.replay(); }

void graph_free(int64_t handle) {
  std::unique_ptr<Recording> recording;
  {
    const std::lock_guard lock(mutex);
    auto node = recordings().extract(handle);
    if (!node.empty()) recording = std::move(node.mapped());
  }
  if (!recording) return;
  const c10::DeviceGuard on_device(recording->stream.device());
  // It may still run.
  c10::cuda::device_synchronize();
}

TORCH_LIBRARY_FRAGMENT(dinov3_seg, library) {
  library.def("graph_begin(int device) -> int", graph_begin);
  library.def("graph_end(int graph) -> ()", graph_end);
  library.def("graph_replay(int graph) -> ()", graph_replay);
  library.def("graph_free(int graph) -> ()", graph_free);
}

}  // namespace
}  // namespace dinov3_seg
