// The ends of a tensor's memory are read, in code that AddressSanitizer watches: libtorch's own is not compiled with it.
#pragma once

#include <ATen/core/Tensor.h>

#include "fuzz_target.h"

namespace dinov3_seg::fuzz {

inline void touch(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.numel() == 0) return;
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  const auto* first = static_cast<const volatile std::uint8_t*>(tensor.const_data_ptr());
  if (first == nullptr) finding("a tensor without memory");
  static_cast<void>(first[0]);
  static_cast<void>(first[(last + 1) * static_cast<std::int64_t>(tensor.element_size()) - 1]);
}

}  // namespace dinov3_seg::fuzz
