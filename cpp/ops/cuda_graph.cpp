#include "ops/cuda_graph.h"

#include <utility>

#include "core/available_memory.h"
#include "ops/find_operator.h"

namespace dinov3_seg {
namespace {

thread_local bool records = false;

void call(const char* name, int64_t handle) { find_operator<void(int64_t)>(name).call(handle); }

}  // namespace

bool has_cuda_graphs() {
  return c10::Dispatcher::singleton().findSchema({"dinov3_seg::graph_begin", ""}).has_value();
}

CudaGraph::CudaGraph(c10::Device device) {
  // What an ordinary pass left in the allocator would stand beside the graph's own memory.
  release_cached_memory();
  recording_ = std::unique_lock(recording_mutex());
  handle_ = find_operator<int64_t(int64_t)>("dinov3_seg::graph_begin").call(device.index());
  records = true;
}

bool CudaGraph::is_recording() { return records; }

CudaGraph::~CudaGraph() {
  // It waits for the device, which ends another thread's recording there.
  if (!recording_.owns_lock()) recording_ = std::unique_lock(recording_mutex());
  try {
    call("dinov3_seg::graph_free", handle_);
  } catch (const std::exception&) {
    // The device is gone, and its memory with it.
  }
}

void CudaGraph::end() {
  records = false;
  const std::unique_lock ended = std::move(recording_);
  call("dinov3_seg::graph_end", handle_);
}

void CudaGraph::replay() { call("dinov3_seg::graph_replay", handle_); }

}  // namespace dinov3_seg
