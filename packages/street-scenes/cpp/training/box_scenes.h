// Scenes with boxes of what is to be counted, and views of them.
// Legend: N scenes, M boxes of all of them, B views of a batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "training/box_loss.h"
#include "training/scene_images.h"

namespace dinov3_seg {

struct BoxViews {
  at::Tensor images;  // B×3×H×W float32, normalised
  BoxTargets targets;
};

/// Scenes of one size.
class BoxScenes {
 public:
  BoxScenes(int64_t capacity, int64_t height, int64_t width, int64_t classes, c10::Device device);

  int64_t size() const { return images_.size(); }

  /// images N×h×w×3 uint8; boxes M×4 float32 (x0, y0, x1, y1 in pixels) with their classes M int32, scene
  /// after scene, and how many each scene has, N int32. Throws SHAPE, LABEL_VALUE (a class or box that there
  /// is not), INVALID_ARGUMENT (more than there is room for).
  void add(const at::Tensor& images, const at::Tensor& boxes, const at::Tensor& classes,
           const at::Tensor& counts);

  /// As SceneImages::look. Boxes are cut at the view's edges; those of which less than a quarter is left are
  /// not to be found.
  BoxViews views(const at::Tensor& scenes, const at::Tensor& views, int64_t height, int64_t width) const;

 private:
  struct SceneBox {
    int64_t object_class;
    std::array<double, 4> corners;  // x0, y0, x1, y1 as shares of the scene
  };
  void check_added(int64_t count, const at::Tensor& boxes, const at::Tensor& classes,
                   const at::Tensor& counts) const;

  int64_t class_count_;
  SceneImages images_;
  std::vector<std::vector<SceneBox>> boxes_;  // of each scene
};

}  // namespace dinov3_seg
