// Whether what a network gives are finite numbers: looked at on its device, and read together with the
// results.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/device_copies.h"
#include "core/error.h"

namespace dinov3_seg {

/// For each image of a batch 0, or NaN where one of the tensors B×… holds a value of it that is NaN or
/// infinite: B float32 on their device. Tensors that are undefined or hold whole numbers are left out;
/// undefined where none is left. Waits for nothing.
at::Tensor finite_marks(at::ArrayRef<at::Tensor> tensors);

/// MODEL_VALUES: a network gave a value that is NaN or infinite.
class NotFinite : public Error {
 public:
  /// `image`: the first one, by its place in the batch.
  explicit NotFinite(int64_t image);

  /// The same error for a person: `path` of the network, and names of the batch's images (none, or empty
  /// ones: places are told).
  [[noreturn]] void tell(const std::string& path, const std::vector<std::string>& names) const;

 private:
  int64_t image_;
};

/// The marks of a pass on their way to the host.
class FiniteWatch {
 public:
  /// Begins to copy finite_marks(), when the current stream's work so far is done; does not wait. Undefined:
  /// there is nothing to watch.
  explicit FiniteWatch(const at::Tensor& marks);

  c10::Device device() const { return copies_.device(); }
  /// Throws NotFinite. Waits for the copy, which is there once anything has been read that was computed after
  /// it began. On any thread.
  void require() const;

 private:
  HostCopies copies_;
};

}  // namespace dinov3_seg
