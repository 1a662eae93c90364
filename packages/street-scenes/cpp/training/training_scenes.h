// Labelled scenes on the device, and what the masks of views of them are to become.
// Legend: N scenes, B views of a batch, S segments (the most of a batch), H×W a view, h×w its mask grid (H/4
// × W/4).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "training/scene_images.h"

namespace dinov3_seg {

/// Of a segment that has a mask to be learnt, and no class.
inline constexpr int64_t no_class = -1;

/// What the masks of a batch are to become.
struct SegmentTargets {
  at::Tensor shares;   // B×S×hw float32: share of a cell's counted pixels that are the segment's
  at::Tensor counted;  // B×hw float32: 1 where a cell has a counted pixel
  std::vector<std::vector<int64_t>> classes;  // of each view's segments, S at most; or no_class
};

struct TrainingViews {
  at::Tensor images;  // B×3×H×W float32, normalised
  SegmentTargets targets;
};

/// Scenes of one size. A segment is the set of pixels of a scene with the same pair of class and part: masks
/// learn to part what has one class (rider and pedestrian, kerb and pavement), while its class is the
/// label's.
class TrainingScenes {
 public:
  TrainingScenes(int64_t capacity, int64_t height, int64_t width, int64_t classes, c10::Device device);

  int64_t size() const { return images_.size(); }

  /// images N×h×w×3, labels and parts N×h×w, all uint8; labels below the number of classes, or 255: no class.
  /// Pixels with label and part 255 are not counted. Throws SHAPE, LABEL_VALUE, INVALID_ARGUMENT (more than
  /// there is room for).
  void add(const at::Tensor& images, const at::Tensor& labels, const at::Tensor& parts);

  /// As SceneImages::look, with the targets.
  TrainingViews views(const at::Tensor& scenes, const at::Tensor& views, int64_t height, int64_t width) const;

 private:
  void check_added(int64_t count, const at::Tensor& labels, const at::Tensor& parts) const;
  SegmentTargets targets(const SceneViews& seen, std::vector<std::vector<int64_t>> classes) const;

  int64_t class_count_;
  SceneImages images_;
  at::Tensor segments_;  // capacity×h×w uint8: index among the scene's segments, 255 where not counted
  std::vector<std::vector<int64_t>> classes_;  // of each scene's segments
};

}  // namespace dinov3_seg
