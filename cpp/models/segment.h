// From the pixels of images to their class maps.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/segmentation_head.h"
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
  Normalization normalization;  // of the images
  int64_t classes;
  std::function<DenseScores(const at::Tensor& images)> scores;
};

/// Throws MODEL_FORMAT for a head that reads what the network does not provide, HEAD_MISMATCH for one of
/// another width.
void check_fits(const SegmentationModel& model, const SegmentationHead& head);

/// Holds on to both. Runs what the head needs of the network. Throws HEAD_MISMATCH, INVALID_ARGUMENT
/// (scoring).
ImageScorer scorer_of(std::shared_ptr<SegmentationModel> model, std::shared_ptr<const SegmentationHead> head,
                      Scoring scoring);

/// Class maps H×W uint8 (CPU) of pixels H×W×(1, 3 or 4) uint8 (see to_rgb), each of its own size. Reports
/// windows done.
/// Whole: the images are resized to height×width and go through the network together, whatever
/// `pass_size` is; scores are resized to H×W.
/// Slide: one image after another; windows of height×width over the image at its own size (enlarged first
/// where it is smaller than a window), at most `stride` apart, the last ones flush with the edges;
/// `pass_size` windows go through the network together; overlapping scores are averaged.
/// Throws SHAPE, INVALID_ARGUMENT (stride, pass_size), NotFinite, and what the network and the head throw.
std::vector<at::Tensor> segment(const ImageScorer& scorer, const std::vector<at::Tensor>& pixels,
                                const SegmentOptions& options);

/// Scores K'×height×width float32 (CPU) of the whole image. `options.slide` is ignored. Throws SHAPE
/// (also above 2 GiB), NotFinite.
at::Tensor segment_scores(const ImageScorer& scorer, const at::Tensor& pixels, const SegmentOptions& options,
                          int64_t height, int64_t width);

}  // namespace dinov3_seg
