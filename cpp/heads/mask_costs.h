// What the masks of an image cost as masks of its classes: the part of Mask2Former's matching that training a
// head does not change. Legend as in trained_heads.h; T classes that occur in the labels of an image.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace dinov3_seg {

struct MaskCosts {
  std::vector<int64_t> classes;  // T, ascending; none where no pixel counts
  std::vector<float> costs;      // Q×T: 5 · mask cost + 5 · dice cost
};

/// Of mask logits Q×h×w (float32) and labels H×W (uint8, below K or 255, which is not counted). Throws
/// LABEL_VALUE for other labels. Waits for the device.
///
/// A cell's target is the share of its counted label pixels that have the class; cells without one are left
/// out. With x the logits, p their sigmoid and t the targets of the n cells that are left:
///   mask cost = Σ (log(1 + eˣ) − x·t) / n, dice cost = 1 − (2·Σ p·t + 1) / (Σ p + Σ t + 1).
/// Source: Mask2Former (Cheng et al. 2022), its matcher's costs and weights; that one takes random points of
/// the masks, this one all cells, so that the matching is the same each time.
MaskCosts mask_costs(const at::Tensor& logits, const at::Tensor& labels, int64_t classes);

/// Costs by record number; those of negative numbers are not stored. When it is full, costs of further
/// records are computed at each visit: an epoch visits records in turn, where replacing the oldest would
/// never find one.
class MaskCostStore {
 public:
  /// Of a record, by `make` where they are not there yet; valid until the next call.
  template <typename Make>
  const MaskCosts& of(int64_t record, Make make) {
    const auto found = stored_.find(record);
    if (found != stored_.end()) return found->second;
    last_ = make();
    const size_t bytes = sizeof(MaskCosts) + last_.costs.size() * 4 + last_.classes.size() * 8;
    if (record < 0 || bytes_ + bytes > most_bytes) return last_;
    bytes_ += bytes;
    return stored_[record] = std::move(last_);
  }

 private:
  static constexpr size_t most_bytes = size_t{512}
                                       << 20;  // about 50,000 images of 20 classes and 100 queries
  std::unordered_map<int64_t, MaskCosts> stored_;
  MaskCosts last_;
  size_t bytes_ = 0;
};

}  // namespace dinov3_seg
