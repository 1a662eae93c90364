// Page-locked memory for many tensors, which a GPU reads without the host's help.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

namespace dinov3_seg {

/// Gives tensors out of large chunks: libtorch rounds each request up to a power of two, which takes a half
/// more than a matrix of 96 MiB needs. Stays below what the host has to spare. A chunk lives as long as the
/// tensors in it.
class PinnedArena {
 public:
  /// For tensors of `bytes` in all.
  explicit PinnedArena(std::size_t bytes);

  /// Uninitialised, of the tensor's sizes and dtype; undefined where there is no memory to spare.
  at::Tensor empty_like(const at::Tensor& tensor);

 private:
  bool next_chunk(std::size_t least);

  std::size_t wanted_;  // by what has yet to come
  std::size_t spare_;
  at::Tensor chunk_;
  std::size_t used_ = 0;
};

}  // namespace dinov3_seg
