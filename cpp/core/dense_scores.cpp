#include "core/dense_scores.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/finite_watch.h"
#include "core/job_control.h"
#include "core/page_allocator.h"
#include "core/tf32.h"

namespace dinov3_seg {
namespace {

// Score values of a band of rows. On the CPU 1 MiB in float32: it stays in the cache from one operator to the
// next, and glibc keeps about twice the largest block that was ever freed in each arena, up to 64 MiB. On a
// GPU 64 MiB: a band takes some ten kernel launches.
int64_t band_elements(const c10::Device& device) { return device.is_cpu() ? 1 << 18 : 16 << 20; }

at::Tensor class_weights(const at::Tensor& logits, Scoring scoring) {
  const at::Tensor weights = at::softmax(logits.to(at::kFloat), -1);
  return scoring == Scoring::recipe ? weights : weights.slice(2, 0, -1);
}

}  // namespace

at::Tensor mix_masks(const at::Tensor& classes, const at::Tensor& masks) {
  const int64_t batch = masks.size(0), queries = masks.size(1), h = masks.size(2), w = masks.size(3);
  const Tf32Guard float32(masks.device(), false);
  const at::Tensor scores = at::bmm(classes.transpose(1, 2), masks.reshape({batch, queries, h * w}));
  return scores.view({batch, classes.size(2), h, w});
}

at::Tensor resize_rows(const at::Tensor& maps, int64_t height, int64_t width, int64_t first, int64_t count) {
  const int64_t h = maps.size(2);
  const double scale = static_cast<double>(h) / static_cast<double>(height);
  const auto index_options =
      maps.options().dtype(maps.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const at::Tensor centre =
      ((at::arange(first, first + count, index_options) + 0.5) * scale - 0.5).clamp_min(0);
  const at::Tensor top = centre.floor().to(at::kLong).clamp_max(h - 1);
  const at::Tensor bottom = (top + 1).clamp_max(h - 1);
  const at::Tensor weight = (centre - top).view({1, 1, count, 1});
  const at::Tensor rows = at::lerp(maps.index_select(2, top), maps.index_select(2, bottom), weight);
  return at::upsample_bilinear2d(rows, {count, width}, false);
}

Scoring parse_scoring(const std::string& name) {
  if (name == "recipe") return Scoring::recipe;
  if (name == "ade20k") return Scoring::ade20k;
  fail("INVALID_ARGUMENT", "unknown scoring '", name, "': expected recipe or ade20k");
}

void check_decoded(const at::Tensor& logits, const at::Tensor& masks) {
  const bool fits = logits.dim() == 3 && masks.dim() == 4 && logits.size(0) == masks.size(0) &&
                    logits.size(1) == masks.size(1);
  if (!fits)
    fail("SHAPE", "expected class logits B×Q×K and mask logits B×Q×h×w of the same images, got ",
         logits.sizes(), " and ", masks.sizes());
}

DenseScores::DenseScores(const at::Tensor& logits, const at::Tensor& masks, Scoring scoring) {
  check_decoded(logits, masks);
  marks_ = finite_marks(logits);
  const at::Tensor classes = class_weights(logits, scoring);
  if (scoring == Scoring::recipe) {
    source_ = mix_masks(classes, masks.to(at::kFloat).sigmoid());
  } else {
    query_classes_ = classes;
    source_ = masks.to(at::kFloat);
  }
}

DenseScores::DenseScores(const at::Tensor& scores) : source_(scores), logits_(true) {
  if (scores.dim() != 4 || scores.scalar_type() != at::kFloat)
    fail("SHAPE", "expected scores B×K×h×w float32, got ", scores.sizes(), " ", scores.scalar_type());
  marks_ = finite_marks(scores);
}

void DenseScores::watch(const at::Tensor& marks) {
  if (marks.defined()) marks_ = marks_ + marks.to(marks_.device());
}

DenseScores DenseScores::image(int64_t index) const {
  DenseScores one = *this;
  one.source_ = source_.narrow(0, index, 1);
  one.marks_ = marks_.narrow(0, index, 1);
  if (query_classes_.defined()) one.query_classes_ = query_classes_.narrow(0, index, 1);
  return one;
}

at::Tensor DenseScores::finish(const at::Tensor& resized) const {
  return query_classes_.defined() ? mix_masks(query_classes_, resized.sigmoid()) : resized;
}

at::Tensor DenseScores::shares_on_grid() const { return logits_ ? source_.softmax(1) : finish(source_); }

at::Tensor DenseScores::resized(int64_t height, int64_t width) const {
  return finish(at::upsample_bilinear2d(source_, {height, width}, false));
}

void DenseScores::each_band(int64_t height, int64_t width,
                            const std::function<void(int64_t, const at::Tensor&)>& use) const {
  const int64_t per_row = source_.size(0) * std::max(source_.size(1), classes()) * width;
  const int64_t band =
      std::clamp<int64_t>(band_elements(source_.device()) / std::max<int64_t>(per_row, 1), 1, height);
  for (int64_t first = 0; first < height; first += band) {
    check_cancelled();
    use(first, finish(resize_rows(source_, height, width, first, std::min(band, height - first))));
  }
}

at::Tensor DenseScores::on_host(int64_t height, int64_t width) const {
  constexpr int64_t largest = int64_t{2} << 30;  // bytes
  const int64_t per_row = source_.size(0) * classes() * width * 4;
  if (height > largest / std::max<int64_t>(per_row, 1))
    fail("SHAPE", "scores of ", classes(), " classes at ", width, "×", height,
         " would exceed 2 GiB; choose a smaller size, or compute the class map");
  at::Tensor all = empty_page_allocated({source_.size(0), classes(), height, width}, at::kFloat);
  each_band(height, width, [&](int64_t first, const at::Tensor& scores) {
    all.slice(2, first, first + scores.size(2)).copy_(scores);
  });
  return all;
}

}  // namespace dinov3_seg
