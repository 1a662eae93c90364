// Memory for what outlives its job, as values that JavaScript holds until its garbage is collected, and for
// what is large, many and short-lived, as the tensors of a network that is written one after the other.
#pragma once

#include <ATen/core/Tensor.h>

namespace dinov3_seg {

/// An uninitialised CPU tensor in pages of its own, which go back to the system when it is freed. In malloc's
/// arenas a small block that lives long keeps the large ones around it from being joined and given back.
/// Below 16 KiB, where whole pages would be waste, an ordinary tensor. Any thread.
at::Tensor empty_page_allocated(c10::IntArrayRef sizes, at::ScalarType dtype);

/// A contiguous copy on the CPU in pages of its own.
at::Tensor copy_page_allocated(const at::Tensor& tensor, at::ScalarType dtype);

/// The tensor itself where it has that dtype; else `tensor.to(dtype)`, on the CPU in pages of its own.
at::Tensor cast_page_allocated(const at::Tensor& tensor, at::ScalarType dtype);

}  // namespace dinov3_seg
