// From the pixels of images to their class maps.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/class_embed.h"
#include "core/dense_scores.h"
#include "core/linear_probe.h"
#include "models/segmentation_model.h"

namespace dinov3_seg {

struct SegmentOptions {
  int64_t height;  // of the network's input, or of a window; multiples of 32
  int64_t width;
  bool slide = false;
  int64_t stride_y = 0;  // between windows, pixels
  int64_t stride_x = 0;
  int64_t pass_size = 1;  // windows that go through the network together
};

/// A network with a head: from normalised images B×3×height×width to scores.
struct ImageScorer {
  c10::Device device;
  int64_t classes;
  std::function<DenseScores(const at::Tensor& images)> scores;
};

/// Both hold on to what they are given. Throws HEAD_MISMATCH.
ImageScorer scorer_of(std::shared_ptr<SegmentationModel> model, std::shared_ptr<ClassEmbed> head,
                      Scoring scoring);
/// Runs the network's backbone alone.
ImageScorer scorer_of(std::shared_ptr<SegmentationModel> model, std::shared_ptr<LinearProbe> probe);

/// Class maps H×W uint8 (CPU) of pixels H×W×(1, 3 or 4) uint8 (see to_rgb), each of its own size. Reports
/// windows done.
/// Whole: the images are resized to height×width and go through the network together, whatever `pass_size`
/// says; scores are resized to H×W.
/// Slide: one image after another; windows of height×width over the image at its own size (enlarged first
/// where it is smaller than a window), at most `stride` apart, the last ones flush with the edges;
/// `pass_size` windows go through the network together; overlapping scores are averaged.
/// Throws SHAPE, INVALID_ARGUMENT (stride, pass_size), and what the network and the head throw.
std::vector<at::Tensor> segment(const ImageScorer& scorer, const std::vector<at::Tensor>& pixels,
                                const SegmentOptions& options);

/// Scores K'×height×width float32 (CPU) of the whole image. `options.slide` does not count. Throws SHAPE
/// (also above 2 GiB).
at::Tensor segment_scores(const ImageScorer& scorer, const at::Tensor& pixels, const SegmentOptions& options,
                          int64_t height, int64_t width);

}  // namespace dinov3_seg
