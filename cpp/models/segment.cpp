#include "models/segment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/finite_watch.h"
#include "core/image_ops.h"
#include "core/job_control.h"
#include "models/network_input.h"
#include "ops/class_map.h"

namespace dinov3_seg {
namespace {

/// Starts of windows of `window` over `length` pixels, `stride` apart, the last flush with the end.
std::vector<int64_t> window_starts(int64_t length, int64_t window, int64_t stride) {
  std::vector<int64_t> starts;
  for (int64_t start = 0; start + window < length; start += stride) starts.push_back(start);
  starts.push_back(length - window);
  return starts;
}

struct Window {
  int64_t top, left;
};

/// Scores of windows of a normalised image 3×H×W one after another, made `pass_size` at a time.
class WindowScores {
 public:
  WindowScores(const ImageScorer& scorer, const at::Tensor& image, const SegmentOptions& options,
               std::vector<Window> windows)
      : scorer_(scorer), image_(image), options_(options), windows_(std::move(windows)) {}

  size_t count() const { return windows_.size(); }

  /// Of all windows so far together, of one image.
  at::Tensor marks() const { return marks_; }

  /// K'×height×width of the next window.
  at::Tensor next() {
    const auto place = static_cast<int64_t>(next_++);
    if (place % options_.pass_size == 0) run(place);
    return scores_->image(place % options_.pass_size).resized(options_.height, options_.width)[0];
  }

 private:
  void run(int64_t first) {
    check_cancelled();
    // What is not needed any more makes room for the pass.
    scores_.reset();
    const auto last = std::min(first + options_.pass_size, static_cast<int64_t>(windows_.size()));
    std::vector<at::Tensor> crops;
    for (int64_t i = first; i < last; ++i) {
      const auto [top, left] = windows_[static_cast<size_t>(i)];
      crops.push_back(image_.slice(1, top, top + options_.height).slice(2, left, left + options_.width));
    }
    scores_ = scorer_.scores(at::stack(crops));
    const at::Tensor marks = scores_->marks().sum(0, /*keepdim=*/true);
    marks_ = marks_.defined() ? marks_ + marks : marks;
  }

  const ImageScorer& scorer_;
  const at::Tensor& image_;
  const SegmentOptions& options_;
  std::vector<Window> windows_;
  size_t next_ = 0;
  std::optional<DenseScores> scores_;
  at::Tensor marks_;  // 1
};

/// Sliding windows over a normalised image 3×H×W. Rows of windows go from top to bottom; rows of scores that
/// no later window touches are settled at once, so that memory holds one window's height of scores.
struct SlideResult {
  at::Tensor map, marks;  // H×W uint8; finite_marks() of the image
};

SlideResult slide(const ImageScorer& scorer, const at::Tensor& image, const SegmentOptions& options) {
  const int64_t height = image.size(1), width = image.size(2);
  const auto tops = window_starts(height, options.height, options.stride_y);
  const auto lefts = window_starts(width, options.width, options.stride_x);
  const int64_t classes = scorer.classes;
  at::Tensor sums = at::zeros({classes, options.height, width}, image.options());
  at::Tensor windows = at::zeros({options.height, width}, image.options());
  at::Tensor map = at::empty({height, width}, image.options().dtype(at::kByte));
  std::vector<Window> places;
  for (const int64_t top : tops)
    for (const int64_t left : lefts) places.push_back({top, left});
  WindowScores scores(scorer, image, options, std::move(places));
  for (size_t row = 0, done = 0; row < tops.size(); ++row) {
    for (const int64_t left : lefts) {
      sums.slice(2, left, left + options.width).add_(scores.next());
      windows.slice(1, left, left + options.width).add_(1);
      report_progress(++done, scores.count());
    }
    const int64_t next = row + 1 < tops.size() ? tops[row + 1] : height;
    const int64_t settled = next - tops[row];
    map.slice(0, tops[row], next).copy_((sums.slice(1, 0, settled) / windows.slice(0, 0, settled)).argmax(0));
    if (next == height) break;
    sums = at::cat({sums.slice(1, settled), at::zeros({classes, settled, width}, sums.options())}, 1);
    windows = at::cat({windows.slice(0, settled), at::zeros({settled, width}, windows.options())}, 0);
  }
  return {map, scores.marks()};
}

/// Of whole images at the network's input size.
DenseScores score_whole(const ImageScorer& scorer, const std::vector<at::Tensor>& pixels,
                        const SegmentOptions& options) {
  std::vector<at::Tensor> images;
  for (const at::Tensor& each : pixels)
    images.push_back(network_input(each, scorer.device, options.height, options.width, scorer.normalization));
  return scorer.scores(at::stack(images));
}

at::Tensor segment_by_windows(const ImageScorer& scorer, const at::Tensor& pixels,
                              const SegmentOptions& options) {
  const int64_t height = pixels.size(0), width = pixels.size(1);
  const double enlarge = std::max({1.0, static_cast<double>(options.height) / static_cast<double>(height),
                                   static_cast<double>(options.width) / static_cast<double>(width)});
  const int64_t work_height =
      std::max<int64_t>(std::llround(static_cast<double>(height) * enlarge), options.height);
  const int64_t work_width =
      std::max<int64_t>(std::llround(static_cast<double>(width) * enlarge), options.width);
  const at::Tensor input =
      network_input(pixels, scorer.device, work_height, work_width, scorer.normalization);
  const auto [map, marks] = slide(scorer, input, options);
  const FiniteWatch watch(marks);
  at::Tensor result = prepare_label(map, height, width, false).cpu();
  watch.require();
  return result;
}

}  // namespace

void check_fits(const SegmentationModel& model, const SegmentationHead& head) {
  const OutputOptions reads = head.reads();
  model.require(reads);
  if (reads.decoded && head.width() != model.hidden())
    fail("HEAD_MISMATCH", "This head expects queries of width ", head.width(), ", but the network ",
         model.path(), " returns queries of width ", model.hidden(),
         ". Use a head trained on this network, or train one with `dinov3-seg train`");
  // A file made elsewhere may not tell its width; the probe then compares it with the features.
  const int64_t width = model.token_width() * reads.feature_layers;
  if (width > 0 && head.width() != width)
    fail("HEAD_MISMATCH", "This linear probe expects features of width ", head.width(), ", but the network ",
         model.path(), " returns features of width ", width,
         ". Use a probe trained on this network's backbone, or train one with `dinov3-seg train`");
}

ImageScorer scorer_of(std::shared_ptr<SegmentationModel> model, std::shared_ptr<const SegmentationHead> head,
                      Scoring scoring) {
  check_fits(*model, *head);
  return {model->device(), model->normalization(), head->scored_classes(scoring),
          [model, head, scoring](const at::Tensor& images) {
            return head->dense_scores(model->outputs(images, head->reads()), scoring);
          }};
}

std::vector<at::Tensor> segment(const ImageScorer& scorer, const std::vector<at::Tensor>& pixels,
                                const SegmentOptions& options) {
  std::vector<at::Tensor> maps;
  if (!options.slide) {
    const DenseScores scores = score_whole(scorer, pixels, options);
    const FiniteWatch watch(scores.marks());
    for (size_t i = 0; i < pixels.size(); ++i) {
      const DenseScores own = scores.image(static_cast<int64_t>(i));
      maps.push_back(class_map(own, pixels[i].size(0), pixels[i].size(1))[0].cpu());
      watch.require();
      report_progress(i + 1, pixels.size());
    }
    return maps;
  }
  if (options.stride_y < 1 || options.stride_x < 1 || options.stride_y > options.height ||
      options.stride_x > options.width)
    fail("INVALID_ARGUMENT", "window strides must be 1 to the window's size ", options.width, "×",
         options.height, ", got ", options.stride_x, "×", options.stride_y);
  if (options.pass_size < 1)
    fail("INVALID_ARGUMENT", "passSize must be a whole number from 1, got ", options.pass_size);
  for (size_t i = 0; i < pixels.size(); ++i) try {
      maps.push_back(segment_by_windows(scorer, pixels[i], options));
    } catch (const NotFinite&) {
      throw NotFinite(static_cast<int64_t>(i));
    }
  return maps;
}

at::Tensor segment_scores(const ImageScorer& scorer, const at::Tensor& pixels, const SegmentOptions& options,
                          int64_t height, int64_t width) {
  const DenseScores scores = score_whole(scorer, {pixels}, options);
  const FiniteWatch watch(scores.marks());
  at::Tensor all = scores.on_host(height, width)[0];
  watch.require();
  return all;
}

}  // namespace dinov3_seg
