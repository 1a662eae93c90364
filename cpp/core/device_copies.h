// Copies between the host and a device that do not wait for what the device computes meanwhile.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <functional>
#include <optional>
#include <vector>

namespace dinov3_seg {

/// A CPU tensor on a device, ready on return, or what `use` makes of it there. The current stream's work goes
/// on: copies, and what `use` launches, are on a stream aside, one for a device. The CPU's own tensors are
/// not copied.
at::Tensor upload(const at::Tensor& tensor, c10::Device device,
                  const std::function<at::Tensor(const at::Tensor& uploaded)>& use = {});

/// Copies of tensors in the host's memory. They are complete after wait(); tensors on the CPU already are as
/// they were.
class HostCopies {
 public:
  /// Begins to copy, when the current stream's work so far is done; does not wait. All of one device.
  explicit HostCopies(const std::vector<at::Tensor>& tensors);

  const std::vector<at::Tensor>& tensors() const { return tensors_; }
  /// That is copied from.
  c10::Device device() const { return copied_ ? copied_->device() : c10::Device(c10::kCPU); }
  /// On any thread.
  void wait() const;

 private:
  std::vector<at::Tensor> tensors_;
  std::optional<c10::Event> copied_;
};

}  // namespace dinov3_seg
