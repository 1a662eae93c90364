// A tensor under its checkpoint name: what the file readers give and the network builders take.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace dinov3_seg {

/// One entry of a state dict. Order within a list is the file's.
/// A tensor of a mapped file has a storage of its own that begins and ends with it, so that saving it writes
/// nothing but it.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

}  // namespace dinov3_seg
