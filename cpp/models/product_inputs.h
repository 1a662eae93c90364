// What goes into products in float16: cast, and its range recorded, by the graph of any network.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>

namespace dinov3_seg {

/// While it lives, the inputs of products in float16 that this thread computes are recorded: their largest
/// magnitude, on the device, which nothing waits for. May be made while a CUDA graph is recorded, as a part
/// of it.
class Float16Range {
 public:
  explicit Float16Range(c10::Device device);
  ~Float16Range();
  Float16Range(const Float16Range&) = delete;
  Float16Range& operator=(const Float16Range&) = delete;

  /// One float32: 0 where nothing was cast, NaN where something was that is no number.
  const at::Tensor& largest() const { return largest_; }

  /// Of the thread; null where there is none.
  static Float16Range* current();

 private:
  at::Tensor largest_;
  Float16Range* before_;
};

/// Every cast of a tensor to the dtype of a weight, which is how networks (common.py) hand inputs to linears
/// and convolutions, is recorded from now on where that dtype is float16. The graph has to be without calls.
void record_product_inputs(torch::jit::Graph& graph);

}  // namespace dinov3_seg
