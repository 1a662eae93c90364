// Tensors that a network in the making takes from one that is loaded.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_map>

namespace dinov3_seg {

/// By where the values that they stand for begin in the network's file; nothing there is read. On the
/// network's device; their dtype may be another than the file's.
using SharedTensors = std::unordered_map<std::uint64_t, at::Tensor>;

inline std::uint64_t bytes_of(const SharedTensors& shared) {
  std::uint64_t bytes = 0;
  for (const auto& [offset, tensor] : shared) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace dinov3_seg
