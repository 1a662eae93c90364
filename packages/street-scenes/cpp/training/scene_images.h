// Pictures of scenes on the device, and views of them.
// Legend: N scenes, B views of a batch, H×W a view.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dinov3_seg {

/// What is seen, on the device.
struct SceneViews {
  int64_t height = 0, width = 0;
  at::Tensor scenes;  // B int64
  at::Tensor plan;    // B×9 float32, as SceneImages::look takes it
  at::Tensor y, x;    // B×H and B×W: of each row and column, as shares of the scene
};

class SceneImages {
 public:
  SceneImages(int64_t capacity, int64_t height, int64_t width, c10::Device device);

  int64_t size() const { return size_; }
  int64_t height() const { return images_.size(1); }
  int64_t width() const { return images_.size(2); }
  c10::Device device() const { return images_.device(); }

  /// The number of images N×h×w×3 uint8. Throws SHAPE, INVALID_ARGUMENT (more than there is room for).
  int64_t checked_count(const at::Tensor& images) const;
  /// What has been checked.
  void add(const at::Tensor& images);

  /// Views of scenes B int32, one a row of `views` B×9 float32: x and width, y and height of what is seen, as
  /// shares of the scene (a negative width mirrors), then factors of red, green and blue, contrast and
  /// saturation (1: as it is). Both on the CPU. Throws SHAPE, INVALID_ARGUMENT (a scene that is not there).
  SceneViews look(const at::Tensor& scenes, const at::Tensor& views, int64_t height, int64_t width) const;

  /// B×3×H×W float32, normalised.
  at::Tensor images(const SceneViews& views) const;

 private:
  at::Tensor images_;  // capacity×h×w×3 uint8
  int64_t size_ = 0;
};

}  // namespace dinov3_seg
