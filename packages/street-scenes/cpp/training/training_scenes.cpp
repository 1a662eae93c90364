#include "training/training_scenes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "core/error.h"

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

at::Tensor nearest(const at::Tensor& position, int64_t size) {
  return (position * size).floor().to(at::kLong).clamp(0, size - 1);
}

}  // namespace

TrainingScenes::TrainingScenes(int64_t capacity, int64_t height, int64_t width, int64_t classes,
                               c10::Device device)
    : class_count_(classes), images_(capacity, height, width, device) {
  segments_ = at::empty({capacity, height, width}, at::TensorOptions().dtype(at::kByte).device(device));
}

void TrainingScenes::check_added(int64_t count, const at::Tensor& labels, const at::Tensor& parts) const {
  const std::array<int64_t, 3> wanted{count, images_.height(), images_.width()};
  for (const at::Tensor& each : {labels, parts})
    if (each.sizes() != at::IntArrayRef(wanted) || each.scalar_type() != at::kByte)
      fail("SHAPE", "expected uint8 labels and parts ", at::IntArrayRef(wanted), ", got ", labels.sizes(),
           " and ", parts.sizes());
  const at::Tensor wrong = labels.ge(class_count_).logical_and_(labels.ne(ignored));
  if (wrong.any().item<bool>())
    fail("LABEL_VALUE", "labels hold ", labels.masked_select(wrong)[0].item<int64_t>(),
         ", which is neither a class (0 to ", class_count_ - 1, ") nor 255 (not counted)");
}

void TrainingScenes::add(const at::Tensor& images, const at::Tensor& labels, const at::Tensor& parts) {
  const int64_t count = images_.checked_count(images), first = size();
  check_added(count, labels, parts);
  const at::Tensor own_labels = labels.contiguous(), own_parts = parts.contiguous();
  at::Tensor segments = at::empty_like(own_labels);
  const int64_t pixels = labels.size(1) * labels.size(2);
  std::array<int16_t, 256 * 256> numbers{};
  std::vector<std::vector<int64_t>> classes;
  for (int64_t i = 0; i < count; ++i)
    classes.push_back(number_segments(own_labels.const_data_ptr<uint8_t>() + i * pixels,
                                      own_parts.const_data_ptr<uint8_t>() + i * pixels, pixels,
                                      segments.mutable_data_ptr<uint8_t>() + i * pixels, numbers));
  images_.add(images);
  segments_.narrow(0, first, count).copy_(segments);
  classes_.insert(classes_.end(), classes.begin(), classes.end());
}

TrainingViews TrainingScenes::views(const at::Tensor& scenes, const at::Tensor& views, int64_t height,
                                    int64_t width) const {
  const SceneViews seen = images_.look(scenes, views, height, width);
  std::vector<std::vector<int64_t>> classes;
  for (int64_t b = 0; b < scenes.numel(); ++b)
    classes.push_back(classes_[static_cast<size_t>(scenes.const_data_ptr<int32_t>()[b])]);
  return {images_.images(seen), targets(seen, std::move(classes))};
}

SegmentTargets TrainingScenes::targets(const SceneViews& seen,
                                       std::vector<std::vector<int64_t>> classes) const {
  SegmentTargets targets;
  size_t most = 1;
  for (const auto& own : classes) most = std::max(most, own.size());
  targets.classes = std::move(classes);
  const int64_t batch = seen.scenes.size(0);
  const auto segments = static_cast<int64_t>(most), h = seen.height / cell, w = seen.width / cell;
  const at::Tensor rows = nearest(seen.y, images_.height()), columns = nearest(seen.x, images_.width());
  const at::Tensor place = (rows.unsqueeze(2) * images_.width() + columns.unsqueeze(1)).flatten(1);  // B×HW
  const at::Tensor numbers = segments_.index_select(0, seen.scenes).flatten(1).gather(1, place).to(at::kLong);
  const at::Tensor row_cells = at::arange(seen.height, seen.scenes.options()).div(cell, "floor") * w;
  const at::Tensor column_cells = at::arange(seen.width, seen.scenes.options()).div(cell, "floor");
  const at::Tensor cells = (row_cells.unsqueeze(1) + column_cells).flatten();  // HW
  // What is not counted is counted apart, as segment S.
  const at::Tensor bins = numbers.clamp_max(segments) * (h * w) + cells;
  const at::Tensor counts = at::zeros({batch, (segments + 1) * h * w}, seen.plan.options())
                                .scatter_add_(1, bins, at::ones({1, 1}, seen.plan.options()).expand_as(bins))
                                .view({batch, segments + 1, h * w})
                                .slice(1, 0, segments);
  const at::Tensor counted = counts.sum(1);  // B×hw
  targets.shares = counts / counted.clamp_min(1).unsqueeze(1);
  targets.counted = counted.gt(0).to(at::kFloat);
  return targets;
}

}  // namespace dinov3_seg
