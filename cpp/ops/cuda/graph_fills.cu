// Fills of a recorded graph as kernels. cuBLAS and cuDNN clear a counter of 4 bytes before many of their
// kernels; as a memset node it costs a graph several times what a kernel between two kernels does.
#include <vector>

#include "ops/cuda/graph_fills.h"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 128;
constexpr size_t most_bytes = 4096;  // larger ones may be faster as they are

__global__ void fill_kernel(cudaMemsetParams fill) {
  const auto size = static_cast<size_t>(fill.elementSize), count = fill.width;
  for (size_t i = threadIdx.x; i < count; i += threads) {
    if (size == 4)
      static_cast<uint32_t*>(fill.dst)[i] = fill.value;
    else if (size == 2)
      static_cast<uint16_t*>(fill.dst)[i] = static_cast<uint16_t>(fill.value);
    else
      static_cast<uint8_t*>(fill.dst)[i] = static_cast<uint8_t>(fill.value);
  }
}

using Nodes = std::vector<cudaGraphNode_t>;

/// All nodes that a function of CUDA's lists. Edges of fills have no data of their own.
template <typename List>
cudaError_t list(Nodes& nodes, List nodes_of) {
  size_t count = 0;
  if (const cudaError_t error = nodes_of(nullptr, &count)) return error;
  nodes.resize(count);
  return count == 0 ? cudaSuccess : nodes_of(nodes.data(), &count);
}

cudaError_t before(cudaGraphNode_t node, Nodes& nodes) {
  return list(nodes, [node](cudaGraphNode_t* to, size_t* count) {
#if CUDART_VERSION >= 13000
    return cudaGraphNodeGetDependencies(node, to, nullptr, count);
#else
    return cudaGraphNodeGetDependencies(node, to, count);
#endif
  });
}

cudaError_t after(cudaGraphNode_t node, Nodes& nodes) {
  return list(nodes, [node](cudaGraphNode_t* to, size_t* count) {
#if CUDART_VERSION >= 13000
    return cudaGraphNodeGetDependentNodes(node, to, nullptr, count);
#else
    return cudaGraphNodeGetDependentNodes(node, to, count);
#endif
  });
}

cudaError_t add_edge(cudaGraph_t graph, cudaGraphNode_t from, cudaGraphNode_t to) {
#if CUDART_VERSION >= 13000
  return cudaGraphAddDependencies(graph, &from, &to, nullptr, 1);
#else
  return cudaGraphAddDependencies(graph, &from, &to, 1);
#endif
}

/// A kernel in the place of a fill.
cudaError_t replace(cudaGraph_t graph, cudaGraphNode_t node, cudaMemsetParams fill) {
  Nodes earlier, later;
  if (const cudaError_t error = before(node, earlier)) return error;
  if (const cudaError_t error = after(node, later)) return error;
  void* arguments[] = {&fill};
  cudaKernelNodeParams kernel{};
  kernel.func = reinterpret_cast<void*>(fill_kernel);
  kernel.gridDim = dim3(1);
  kernel.blockDim = dim3(threads);
  kernel.kernelParams = arguments;
  cudaGraphNode_t own = nullptr;
  if (const cudaError_t error = cudaGraphAddKernelNode(&own, graph, earlier.data(), earlier.size(), &kernel))
    return error;
  for (const cudaGraphNode_t each : later)
    if (const cudaError_t error = add_edge(graph, own, each)) return error;
  return cudaGraphDestroyNode(node);
}

}  // namespace

int replace_fills(cudaGraph_t graph) {
  Nodes nodes;
  const auto all = [graph](cudaGraphNode_t* to, size_t* count) {
    return cudaGraphGetNodes(graph, to, count);
  };
  if (const cudaError_t error = list(nodes, all)) return error;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    if (const cudaError_t error = cudaGraphNodeGetType(node, &type)) return error;
    if (type != cudaGraphNodeTypeMemset) continue;
    cudaMemsetParams fill{};
    if (const cudaError_t error = cudaGraphMemsetNodeGetParams(node, &fill)) return error;
    if (fill.height != 1 || fill.width * fill.elementSize > most_bytes) continue;
    if (const cudaError_t error = replace(graph, node, fill)) return error;
  }
  return cudaSuccess;
}

}  // namespace dinov3_seg::cuda
