#include "training/training_scenes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/image_ops.h"

namespace dinov3_seg {
namespace {

constexpr int64_t ignored = 255;
constexpr int64_t most_segments = 128;
/// Pixels of a view along a cell's side.
constexpr int64_t cell = 4;

/// Numbers the pairs of label and part of a scene in the order of their first pixel; gives their labels.
std::vector<int64_t> number_segments(const uint8_t* labels, const uint8_t* parts, int64_t pixels,
                                     uint8_t* out, std::array<int16_t, 256 * 256>& numbers) {
  numbers.fill(-1);
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < pixels; ++i) {
    if (labels[i] == ignored && parts[i] == ignored) {
      out[i] = ignored;
      continue;
    }
    int16_t& number = numbers[static_cast<size_t>(256 * labels[i] + parts[i])];
    if (number < 0) {
      if (static_cast<int64_t>(classes.size()) == most_segments)
        fail("LABEL_VALUE", "a scene holds more than ", most_segments,
             " pairs of class and part; parts are to tell kinds apart, not objects");
      number = static_cast<int16_t>(classes.size());
      classes.push_back(labels[i] == ignored ? no_class : labels[i]);
    }
    out[i] = static_cast<uint8_t>(number);
  }
  return classes;
}

/// First + (i + ½)/size·length for i below size, B×size.
at::Tensor positions(const at::Tensor& views, int64_t column, int64_t size) {
  const at::Tensor steps = (at::arange(size, views.options()) + 0.5) / size;
  return views.slice(1, column, column + 1) + views.slice(1, column + 1, column + 2) * steps;
}

at::Tensor nearest(const at::Tensor& position, int64_t size) {
  return (position * size).floor().to(at::kLong).clamp(0, size - 1);
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

TrainingScenes::TrainingScenes(int64_t capacity, int64_t height, int64_t width, int64_t classes,
                               c10::Device device)
    : capacity_(capacity), class_count_(classes) {
  if (capacity < 1 || height < 1 || width < 1)
    fail("INVALID_ARGUMENT", "expected room for scenes of at least a pixel, got ", capacity, " of ", height,
         "×", width);
  const auto options = at::TensorOptions().dtype(at::kByte).device(device);
  images_ = at::empty({capacity, height, width, 3}, options);
  segments_ = at::empty({capacity, height, width}, options);
}

void TrainingScenes::check_added(const at::Tensor& images, const at::Tensor& labels,
                                 const at::Tensor& parts) const {
  const int64_t count = labels.dim() == 3 ? labels.size(0) : 0, h = segments_.size(1), w = segments_.size(2);
  const std::array<int64_t, 3> one{count, h, w};
  const bool fits = images.sizes() == at::IntArrayRef{count, h, w, 3} &&
                    labels.sizes() == at::IntArrayRef(one) && parts.sizes() == at::IntArrayRef(one) &&
                    count > 0;
  for (const at::Tensor& each : {images, labels, parts})
    if (!fits || each.scalar_type() != at::kByte)
      fail("SHAPE", "expected uint8 images N×", h, "×", w, "×3, labels and parts N×", h, "×", w, ", got ",
           images.sizes(), ", ", labels.sizes(), " and ", parts.sizes());
  if (size() + count > capacity_)
    fail("INVALID_ARGUMENT", "there is room for ", capacity_, " scenes; ", size(), " are there, ", count,
         " more came");
  const at::Tensor wrong = labels.ge(class_count_).logical_and_(labels.ne(ignored));
  if (wrong.any().item<bool>())
    fail("LABEL_VALUE", "labels hold ", labels.masked_select(wrong)[0].item<int64_t>(),
         ", which is neither a class (0 to ", class_count_ - 1, ") nor 255 (not counted)");
}

void TrainingScenes::add(const at::Tensor& images, const at::Tensor& labels, const at::Tensor& parts) {
  check_added(images, labels, parts);
  const at::Tensor own_labels = labels.contiguous(), own_parts = parts.contiguous();
  at::Tensor segments = at::empty_like(own_labels);
  const int64_t count = labels.size(0), pixels = labels.size(1) * labels.size(2), first = size();
  std::array<int16_t, 256 * 256> numbers{};
  std::vector<std::vector<int64_t>> classes;
  for (int64_t i = 0; i < count; ++i)
    classes.push_back(number_segments(own_labels.const_data_ptr<uint8_t>() + i * pixels,
                                      own_parts.const_data_ptr<uint8_t>() + i * pixels, pixels,
                                      segments.mutable_data_ptr<uint8_t>() + i * pixels, numbers));
  images_.narrow(0, first, count).copy_(images);
  segments_.narrow(0, first, count).copy_(segments);
  classes_.insert(classes_.end(), classes.begin(), classes.end());
}

TrainingViews TrainingScenes::views(const at::Tensor& scenes, const at::Tensor& views, int64_t height,
                                    int64_t width) const {
  if (scenes.dim() != 1 || scenes.numel() == 0 || scenes.scalar_type() != at::kInt ||
      views.sizes() != at::IntArrayRef{scenes.numel(), 9} || views.scalar_type() != at::kFloat)
    fail("SHAPE", "expected scenes B int32 and views B×9 float32, got ", scenes.sizes(), " ",
         scenes.scalar_type(), " and ", views.sizes(), " ", views.scalar_type());
  const int64_t batch = scenes.numel(), scene_height = segments_.size(1), scene_width = segments_.size(2);
  TrainingViews result;
  auto& classes = result.targets.classes;
  const auto* chosen = scenes.const_data_ptr<int32_t>();
  size_t most = 1;
  for (int64_t b = 0; b < batch; ++b) {
    if (chosen[b] < 0 || chosen[b] >= size())
      fail("INVALID_ARGUMENT", "there are ", size(), " scenes, number ", chosen[b], " was asked for");
    classes.push_back(classes_[static_cast<size_t>(chosen[b])]);
    most = std::max(most, classes.back().size());
  }
  const at::Tensor index = scenes.to(images_.device(), at::kLong), plan = views.to(images_.device());
  const at::Tensor x = positions(plan, 0, width), y = positions(plan, 2, height);  // B×W, B×H
  const auto by_view = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::stack(
        {a.unsqueeze(1).expand({batch, height, width}), b.unsqueeze(2).expand({batch, height, width})}, 3);
  };
  const at::Tensor pixels = images_.index_select(0, index).permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
  const at::Tensor sampled =
      at::grid_sampler_2d(pixels.contiguous(), by_view(x, y) * 2 - 1, 0, 1, false);  // bilinear, border
  result.images = (recolored(sampled, plan) - channels(imagenet_mean, plan.options())) /
                  channels(imagenet_std, plan.options());

  const auto segments = static_cast<int64_t>(most), h = height / cell, w = width / cell;
  const at::Tensor rows = nearest(y, scene_height), columns = nearest(x, scene_width);
  const at::Tensor place = (rows.unsqueeze(2) * scene_width + columns.unsqueeze(1)).flatten(1);  // B×HW
  const at::Tensor seen = segments_.index_select(0, index).flatten(1).gather(1, place).to(at::kLong);
  const at::Tensor row_cells = at::arange(height, index.options()).div(cell, "floor") * w;
  const at::Tensor column_cells = at::arange(width, index.options()).div(cell, "floor");
  const at::Tensor cells = (row_cells.unsqueeze(1) + column_cells).flatten();  // HW
  // What is not counted is counted apart, as segment S.
  const at::Tensor bins = seen.clamp_max(segments) * (h * w) + cells;
  const at::Tensor counts = at::zeros({batch, (segments + 1) * h * w}, plan.options())
                                .scatter_add_(1, bins, at::ones({1, 1}, plan.options()).expand_as(bins))
                                .view({batch, segments + 1, h * w})
                                .slice(1, 0, segments);
  const at::Tensor counted = counts.sum(1);  // B×hw
  result.targets.shares = counts / counted.clamp_min(1).unsqueeze(1);
  result.targets.counted = counted.gt(0).to(at::kFloat);
  return result;
}

}  // namespace dinov3_seg
