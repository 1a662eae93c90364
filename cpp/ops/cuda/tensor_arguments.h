// Tensors as the arguments of kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>

#include "core/error.h"
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg {

constexpr int64_t most_blocks = std::numeric_limits<int32_t>::max();

/// A block counts as one index of a grid, of which CUDA takes 2^31.
inline void check_grid(int64_t blocks) {
  if (blocks > most_blocks)
    fail("SHAPE", "tensors of ", blocks, " blocks exceed the limit of a CUDA launch: use smaller batches");
}

inline int narrow(int64_t value) {
  if (value > std::numeric_limits<int32_t>::max())
    fail("SHAPE", "expected sizes and strides below 2^31, got ", value);
  return static_cast<int>(value);
}

inline cuda::Kind kind_of(at::ScalarType type) {
  if (type == at::kDouble) return cuda::Kind::float64;
  if (type == at::kHalf) return cuda::Kind::float16;
  if (type == at::kFloat8_e4m3fn) return cuda::Kind::float8;
  return type == at::kBFloat16 ? cuda::Kind::bfloat16 : cuda::Kind::float32;
}

/// Whether kernels take the two dtypes together: no network mixes float16 and bfloat16 in one operator, so
/// that the kernels for it would be compiled for nothing. Where they do meet, one of them is widened first.
inline bool are_together(at::ScalarType a, at::ScalarType b) {
  return !(a == at::kHalf && b == at::kBFloat16) && !(a == at::kBFloat16 && b == at::kHalf);
}

/// Whether vectors of 16 bytes can be read there.
inline bool is_aligned(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
}

/// Whether a stride or length in values is a whole number of vectors.
inline bool is_whole(const at::Tensor& tensor, std::initializer_list<int64_t> lengths) {
  for (const int64_t length : lengths)
    if (length * static_cast<int64_t>(tensor.element_size()) % 16 != 0) return false;
  return true;
}

/// The stride from row to row of a tensor whose rows lie in its last dimension, where there is one.
inline std::optional<int64_t> row_stride(const at::Tensor& tensor) {
  const int64_t last = tensor.dim() - 1;
  if (tensor.size(last) != 1 && tensor.stride(last) != 1) return {};
  std::optional<int64_t> row;
  int64_t next = 0;  // what the stride of the dimension before has to be
  for (int64_t d = last - 1; d >= 0; --d) {
    if (tensor.size(d) == 1) continue;
    if (!row)
      row = tensor.stride(d);
    else if (tensor.stride(d) != next)
      return {};
    next = tensor.stride(d) * tensor.size(d);
  }
  return row.value_or(tensor.size(last));
}

/// The tensor, or a copy where its rows have no stride.
inline at::Tensor with_row_stride(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.dim() == 0 ? tensor.reshape({1}) : tensor;
  return row_stride(rows) ? rows : rows.contiguous();
}

/// Whether the dimensions from `first` on lie in one piece.
inline bool is_dense_from(const at::Tensor& tensor, int64_t first) {
  int64_t expected = 1;
  for (int64_t d = tensor.dim() - 1; d >= first; --d) {
    if (tensor.size(d) != 1 && tensor.stride(d) != expected) return false;
    expected *= tensor.size(d);
  }
  return true;
}

inline at::Tensor dense_from(const at::Tensor& tensor, int64_t first) {
  return is_dense_from(tensor, first) ? tensor : tensor.contiguous();
}

/// The maps of `sizes` (h0, w0, h1, w1, …), one after the other. Gives their number.
inline int set_levels(cuda::Level (&levels)[cuda::most_levels], at::IntArrayRef sizes) {
  const size_t count = sizes.size() / 2;
  if (count > cuda::most_levels)
    fail("SHAPE", "expected at most ", cuda::most_levels, " levels, got ", count);
  int64_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    const int64_t height = sizes[2 * i], width = sizes[2 * i + 1];
    levels[i] = {narrow(height), narrow(width), narrow(start)};
    start += height * width;
  }
  return static_cast<int>(count);
}

}  // namespace dinov3_seg
