#include "ops/graphs.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace dinov3_seg {
namespace {

template <typename Function>
c10::TypedOperatorHandle<Function> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

void call(const char* name, int64_t handle) { find<void(int64_t)>(name).call(handle); }

}  // namespace

bool has_graphs() {
  return c10::Dispatcher::singleton().findSchema({"dinov3_seg::graph_begin", ""}).has_value();
}

DeviceGraph::DeviceGraph(c10::Device device)
    : handle_(find<int64_t(int64_t)>("dinov3_seg::graph_begin").call(device.index())) {}

DeviceGraph::~DeviceGraph() {
  try {
    call("dinov3_seg::graph_free", handle_);
  } catch (const std::exception&) {
    // The device is gone, and its memory with it.
  }
}

void DeviceGraph::end() { call("dinov3_seg::graph_end", handle_); }

void DeviceGraph::replay() { call("dinov3_seg::graph_replay", handle_); }

}  // namespace dinov3_seg
