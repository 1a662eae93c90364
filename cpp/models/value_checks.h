// Whether weights are finite numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace dinov3_seg {

/// Elements that are NaN or infinite. Floating tensors on the CPU; in a job, it can be stopped.
int64_t count_not_finite(const at::Tensor& tensor);

/// Collects the keys whose values cannot be right, as a network is written.
class ValueChecks {
 public:
  /// `given`: of the checkpoint; `stored`: what it becomes in the network.
  void look_at(const std::string& key, const at::Tensor& given, const at::Tensor& stored);

  /// Throws CHECKPOINT_VALUES with all keys collected, under their names in `origins` where they have one
  /// there. `what` names the files.
  void check(const std::string& what, const std::map<std::string, std::string>& origins) const;

 private:
  struct Finding {
    std::string key;
    int64_t count, of;
  };
  std::vector<Finding> not_finite_, too_large_;
  std::string dtype_;  ///< that the latter are too large for
};

}  // namespace dinov3_seg
