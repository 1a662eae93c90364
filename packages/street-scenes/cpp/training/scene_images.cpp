#include "training/scene_images.h"

#include <ATen/ATen.h>

#include <array>

#include "core/error.h"
#include "core/image_ops.h"

namespace dinov3_seg {
namespace {

/// First + (i + ½)/size·length for i below size, B×size.
at::Tensor positions(const at::Tensor& views, int64_t column, int64_t size) {
  const at::Tensor steps = (at::arange(size, views.options()) + 0.5) / size;
  return views.slice(1, column, column + 1) + views.slice(1, column + 1, column + 2) * steps;
}

/// Colours changed by factors of the channels, of contrast (about the mean grey) and of saturation. B×3×H×W,
/// 0…1
at::Tensor recolored(const at::Tensor& images, const at::Tensor& views) {
  const auto factor = [&](int64_t column) { return views.slice(1, column, column + 1).view({-1, 1, 1, 1}); };
  at::Tensor x = images * views.slice(1, 4, 7).view({-1, 3, 1, 1});
  const at::Tensor grey = x.mean({1, 2, 3}, true);
  x = grey + (x - grey) * factor(7);
  const at::Tensor own_grey = x.mean({1}, true);
  x = own_grey + (x - own_grey) * factor(8);
  return x.clamp(0, 1);
}

at::Tensor channels(const std::array<double, 3>& values, const at::TensorOptions& options) {
  return at::tensor({values[0], values[1], values[2]}, at::kDouble).to(options).view({1, 3, 1, 1});
}

}  // namespace

SceneImages::SceneImages(int64_t capacity, int64_t height, int64_t width, c10::Device device) {
  if (capacity < 1 || height < 1 || width < 1)
    fail("INVALID_ARGUMENT", "expected room for scenes of at least a pixel, got ", capacity, " of ", height,
         "×", width);
  images_ = at::empty({capacity, height, width, 3}, at::TensorOptions().dtype(at::kByte).device(device));
}

int64_t SceneImages::checked_count(const at::Tensor& images) const {
  const int64_t count = images.dim() == 4 ? images.size(0) : 0;
  if (count < 1 || images.sizes() != at::IntArrayRef{count, height(), width(), 3} ||
      images.scalar_type() != at::kByte)
    fail("SHAPE", "expected uint8 images N×", height(), "×", width(), "×3, got ", images.scalar_type(), " ",
         images.sizes());
  if (size_ + count > images_.size(0))
    fail("INVALID_ARGUMENT", "there is room for ", images_.size(0), " scenes; ", size_, " are there, ", count,
         " more came");
  return count;
}

void SceneImages::add(const at::Tensor& images) {
  images_.narrow(0, size_, images.size(0)).copy_(images);
  size_ += images.size(0);
}

SceneViews SceneImages::look(const at::Tensor& scenes, const at::Tensor& views, int64_t height,
                             int64_t width) const {
  if (scenes.dim() != 1 || scenes.numel() == 0 || scenes.scalar_type() != at::kInt ||
      views.sizes() != at::IntArrayRef{scenes.numel(), 9} || views.scalar_type() != at::kFloat)
    fail("SHAPE", "expected scenes B int32 and views B×9 float32, got ", scenes.sizes(), " ",
         scenes.scalar_type(), " and ", views.sizes(), " ", views.scalar_type());
  const auto* chosen = scenes.const_data_ptr<int32_t>();
  for (int64_t b = 0; b < scenes.numel(); ++b)
    if (chosen[b] < 0 || chosen[b] >= size_)
      fail("INVALID_ARGUMENT", "there are ", size_, " scenes, number ", chosen[b], " was asked for");
  const at::Tensor plan = views.to(device());
  return {height,
          width,
          scenes.to(device(), at::kLong),
          plan,
          positions(plan, 2, height),
          positions(plan, 0, width)};
}

at::Tensor SceneImages::images(const SceneViews& views) const {
  const int64_t batch = views.scenes.size(0);
  const std::array<int64_t, 3> size{batch, views.height, views.width};
  const at::Tensor places =
      at::stack({views.x.unsqueeze(1).expand(size), views.y.unsqueeze(2).expand(size)}, 3);
  const at::Tensor pixels =
      images_.index_select(0, views.scenes).permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
  const at::Tensor sampled =
      at::grid_sampler_2d(pixels.contiguous(), places * 2 - 1, 0, 1, false);  // bilinear, border
  return (recolored(sampled, views.plan) - channels(lvd_normalization.mean, views.plan.options())) /
         channels(lvd_normalization.std, views.plan.options());
}

}  // namespace dinov3_seg
