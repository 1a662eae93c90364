#include "core/image_ops.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"

namespace dinov3_seg {
namespace {

/// ITU-R 601 luma, 1×H×W.
at::Tensor luma(const at::Tensor& image) {
  return (image[0] * 0.2989 + image[1] * 0.587 + image[2] * 0.114).unsqueeze(0);
}

at::Tensor blend(const at::Tensor& image, const at::Tensor& other, double ratio) {
  return (image * ratio + other * (1 - ratio)).clamp_(0, 1);
}

/// Turns the hue by `turns`, through HSV (hexcone model, Smith 1978).
at::Tensor shift_hue(const at::Tensor& image, double turns) {
  const at::Tensor value = image.amax(0), chroma = value - image.amin(0);
  const at::Tensor grey = chroma == 0;
  const at::Tensor divisor = at::where(grey, at::ones_like(chroma), chroma);
  const at::Tensor red = image[0], green = image[1], blue = image[2];
  const at::Tensor sextant =
      at::where(value == red, (green - blue) / divisor,
                at::where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4));
  const at::Tensor hue = at::remainder(sextant / 6 + turns, 1.0) * 6;  // 0 … 6
  // Channel n of HSV → RGB: value − chroma·max(0, min(k, 4 − k, 1)) with k = (n + hue) mod 6, n = 5, 3, 1.
  std::vector<at::Tensor> channels;
  for (const double n : {5.0, 3.0, 1.0}) {
    const at::Tensor k = at::remainder(hue + n, 6.0);
    channels.push_back(value - chroma * at::minimum(k, 4 - k).clamp_(0, 1));
  }
  return at::stack(channels).clamp_(0, 1);
}

/// Source index of each of `to` pixel centres over `from` pixels. The centre is a running sum, not a product:
/// on exact borders between two pixels its rounding decides, and PIL (whose labels the recipe trains on)
/// sums.
at::Tensor nearest_indices(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  at::Tensor indices = at::empty({to}, at::kLong);
  auto* index = indices.mutable_data_ptr<int64_t>();
  double centre = scale * 0.5;
  for (int64_t i = 0; i < to; ++i, centre += scale)
    index[i] = std::min(static_cast<int64_t>(centre), from - 1);
  return indices;
}

at::Tensor jitter_step(const at::Tensor& image, const Jitter& jitter, int step) {
  switch (step) {
    case 0:
      return (image * jitter.brightness).clamp_(0, 1);
    case 1:
      return blend(image, luma(image).mean(), jitter.contrast);
    case 2:
      return blend(image, luma(image), jitter.saturation);
    case 3:
      return shift_hue(image, jitter.hue);
    default:
      fail("INVALID_ARGUMENT", "jitter order contains ", step, ": expected 0 to 3");
  }
}

}  // namespace

at::Tensor color_jitter(const at::Tensor& image, const Jitter& jitter) {
  at::Tensor result = image;
  for (const int step : jitter.order) result = jitter_step(result, jitter, step);
  return result;
}

at::Tensor normalize_image(const at::Tensor& image, const Normalization& normalization) {
  const auto channels = [&](const std::array<double, 3>& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kFloat).view({3, 1, 1}).to(image.device());
  };
  return (image - channels(normalization.mean)) / channels(normalization.std);
}

at::Tensor to_rgb(const at::Tensor& pixels) {
  const int64_t channels = pixels.dim() == 3 ? pixels.size(2) : 0;
  if (channels != 1 && channels != 3 && channels != 4)
    fail("SHAPE", "expected pixels H×W×(1, 3 or 4), got ", pixels.sizes());
  if (channels == 3) return pixels;
  return channels == 1 ? pixels.expand({-1, -1, 3}) : pixels.slice(2, 0, 3);
}

at::Tensor prepare_image(const at::Tensor& pixels, int64_t height, int64_t width,
                         const Augmentation& augmentation, const Normalization& normalization) {
  if (pixels.dim() != 3 || pixels.size(2) != 3 || pixels.scalar_type() != at::kByte || pixels.numel() == 0)
    fail("SHAPE", "expected pixels H×W×3 uint8, got ", pixels.sizes(), " ", pixels.scalar_type());
  at::Tensor image = pixels.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).div_(255);  // 1×3×H×W
  if (image.size(2) != height || image.size(3) != width)
    image = at::_upsample_bilinear2d_aa(image, {height, width}, false);
  image = image[0];
  if (augmentation.jitter) image = color_jitter(image, *augmentation.jitter);
  if (augmentation.flip) image = image.flip(2);
  return normalize_image(image, normalization);
}

at::Tensor prepare_label(const at::Tensor& label, int64_t height, int64_t width, bool flip) {
  if (label.dim() != 2 || label.scalar_type() != at::kByte || label.numel() == 0)
    fail("SHAPE", "expected a label map H×W uint8, got ", label.sizes(), " ", label.scalar_type());
  const at::Tensor rows = nearest_indices(label.size(0), height).to(label.device());
  const at::Tensor columns = nearest_indices(label.size(1), width).to(label.device());
  const at::Tensor resized = label.index_select(0, rows).index_select(1, columns);
  return flip ? resized.flip(1) : resized;
}

}  // namespace dinov3_seg
