// Whether float32 products and convolutions on CUDA may round their operands to TF32. libtorch's switch is
// the process's, and its guard for a thread (at::NoTF32Guard) reaches neither cuDNN nor cuBLASLt.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace dinov3_seg {

/// While it lives, what this thread launches computes float32 with TF32 or without, as `allow` says. Threads
/// that want the same go on side by side; one that wants the other waits until they are through, and those
/// that come after it wait until it is. Inside another guard of the thread, and on the CPU, it does nothing.
/// Hold it while kernels are launched, not while the device works.
class Tf32Guard {
 public:
  Tf32Guard(c10::Device device, bool allow);
  ~Tf32Guard();
  Tf32Guard(const Tf32Guard&) = delete;
  Tf32Guard& operator=(const Tf32Guard&) = delete;

 private:
  bool holds_;
};

/// The product of two matrices, float32 without TF32.
at::Tensor mm_float32(const at::Tensor& a, const at::Tensor& b);

}  // namespace dinov3_seg
