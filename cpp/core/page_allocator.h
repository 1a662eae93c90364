// Memory for what outlives its job: values that JavaScript holds until its garbage is collected.
#pragma once

#include <ATen/core/Tensor.h>

namespace dinov3_seg {

/// An uninitialised CPU tensor in pages of its own, which go back to the system when it is freed. In malloc's
/// arenas a block that lives long keeps the temporaries around it from being joined and given back. Below
/// 16 KiB, where whole pages would be waste, an ordinary tensor. Any thread.
at::Tensor empty_page_allocated(c10::IntArrayRef sizes, at::ScalarType dtype);

/// A contiguous copy on the CPU in pages of its own.
at::Tensor copy_page_allocated(const at::Tensor& tensor, at::ScalarType dtype);

}  // namespace dinov3_seg
