#include "training/box_scenes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

constexpr double least_share = 0.25;

/// An interval as a view has it, of which the part from `first` on is seen `length` long (negative:
/// mirrored).
std::pair<double, double> seen_of(double low, double high, double first, double length) {
  double a = (low - first) / length, b = (high - first) / length;
  if (length < 0) std::swap(a, b);
  return {a, b};
}

/// How much of an interval is between 0 and 1.
double inside(const std::pair<double, double>& interval) {
  return std::max(0.0, std::min(1.0, interval.second) - std::max(0.0, interval.first));
}

/// Centre and length of what is inside, in pixels.
std::pair<float, float> cut(const std::pair<double, double>& interval, int64_t pixels) {
  const double low = std::max(0.0, interval.first), high = std::min(1.0, interval.second);
  const auto size = static_cast<double>(pixels);
  return {static_cast<float>((low + high) / 2 * size), static_cast<float>((high - low) * size)};
}

}  // namespace

BoxScenes::BoxScenes(int64_t capacity, int64_t height, int64_t width, int64_t classes, c10::Device device)
    : class_count_(classes), images_(capacity, height, width, device) {}

void BoxScenes::check_added(int64_t count, const at::Tensor& boxes, const at::Tensor& classes,
                            const at::Tensor& counts) const {
  const int64_t total = classes.numel();
  const bool fits = boxes.dim() == 2 && boxes.size(0) == total && boxes.size(1) == 4 && classes.dim() == 1 &&
                    counts.dim() == 1 && counts.size(0) == count && boxes.scalar_type() == at::kFloat &&
                    classes.scalar_type() == at::kInt && counts.scalar_type() == at::kInt;
  if (!fits || counts.lt(0).any().item<bool>() || counts.sum().item<int64_t>() != total)
    fail("SHAPE", "expected boxes M×4 float32, classes M int32 and counts of ", count,
         " scenes as int32 with the sum M, got ", boxes.sizes(), ", ", classes.sizes(), " and ",
         counts.sizes());
  if (classes.lt(0).logical_or(classes.ge(class_count_)).any().item<bool>())
    fail("LABEL_VALUE", "classes of boxes must be from 0 to ", class_count_ - 1);
  const at::Tensor low = boxes.slice(1, 0, 2), high = boxes.slice(1, 2, 4);
  const at::Tensor size = at::tensor({images_.width(), images_.height()}, at::kFloat);
  if (!low.ge(0).logical_and(high.gt(low)).logical_and(high.le(size)).all().item<bool>())
    fail("LABEL_VALUE", "boxes must have a width and a height and lie within scenes of ", images_.width(),
         "×", images_.height());
}

void BoxScenes::add(const at::Tensor& images, const at::Tensor& boxes, const at::Tensor& classes,
                    const at::Tensor& counts) {
  const int64_t count = images_.checked_count(images);
  check_added(count, boxes, classes, counts);
  const at::Tensor own = boxes.contiguous(), labels = classes.contiguous(), numbers = counts.contiguous();
  const auto* corners = own.const_data_ptr<float>();
  const auto* label = labels.const_data_ptr<int32_t>();
  const auto height = static_cast<double>(images_.height()), width = static_cast<double>(images_.width());
  for (int64_t i = 0; i < count; ++i) {
    boxes_.emplace_back();
    for (int32_t k = 0; k < numbers.const_data_ptr<int32_t>()[i]; ++k, corners += 4)
      boxes_.back().push_back(
          {*label++, {corners[0] / width, corners[1] / height, corners[2] / width, corners[3] / height}});
  }
  images_.add(images);
}

BoxViews BoxScenes::views(const at::Tensor& scenes, const at::Tensor& views, int64_t height,
                          int64_t width) const {
  const SceneViews seen = images_.look(scenes, views, height, width);
  const at::Tensor plans = views.contiguous();
  BoxViews result{images_.images(seen), {height, width, {}, {}}};
  std::vector<std::vector<float>> kept;
  size_t most = 1;
  for (int64_t b = 0; b < scenes.numel(); ++b) {
    const auto* plan = plans.const_data_ptr<float>() + 9 * b;
    kept.emplace_back();
    result.targets.classes.emplace_back();
    for (const SceneBox& box : boxes_[static_cast<size_t>(scenes.const_data_ptr<int32_t>()[b])]) {
      const auto x = seen_of(box.corners[0], box.corners[2], plan[0], plan[1]);
      const auto y = seen_of(box.corners[1], box.corners[3], plan[2], plan[3]);
      const double whole = (x.second - x.first) * (y.second - y.first);
      if (inside(x) * inside(y) < least_share * whole) continue;
      const auto across = cut(x, width), down = cut(y, height);
      kept.back().insert(kept.back().end(), {across.first, down.first, across.second, down.second});
      result.targets.classes.back().push_back(box.object_class);
    }
    most = std::max(most, result.targets.classes.back().size());
  }
  at::Tensor boxes = at::zeros({scenes.numel(), static_cast<int64_t>(most), 4}, at::kFloat);
  for (size_t b = 0; b < kept.size(); ++b)
    std::copy(kept[b].begin(), kept[b].end(), boxes.mutable_data_ptr<float>() + 4 * b * most);
  result.targets.boxes = boxes.to(result.images.device(), true);
  return result;
}

}  // namespace dinov3_seg
