// Tensors that have their shape now and their values when they are written.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <unordered_map>

namespace dinov3_seg {

/// Stands in a module for tensors that are too large to be all in memory. A placeholder takes addresses and
/// no memory; its values read as zeros, and writing to them ends the process. For one thread.
class DeferredTensors {
 public:
  using Make = std::function<at::Tensor()>;

  /// A placeholder on the CPU with the sizes, strides and dtype of `like`, which may be a meta tensor. `make`
  /// gives the values when they are written, as a tensor of the same sizes, strides and dtype on any device.
  at::Tensor add(const at::Tensor& like, Make make);

  /// What makes the values of the placeholder whose memory begins at `data`; null for other memory.
  const Make* find(const void* data) const;

  /// The values of a placeholder, made now; any other tensor is given back.
  at::Tensor values_of(const at::Tensor& tensor) const;

 private:
  using Makers = std::unordered_map<const void*, Make>;
  std::shared_ptr<Makers> makers_ = std::make_shared<Makers>();
};

/// A meta tensor: what `tensor.to(dtype)` would give, without values.
at::Tensor meta_of_cast(const at::Tensor& tensor, at::ScalarType dtype);

}  // namespace dinov3_seg
