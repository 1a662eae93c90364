// A trained head as inference sees it, whatever kind it is of. Legend: B batch, Q queries, C width of queries
// or features, h×w mask grid or patches.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

#include "core/dense_scores.h"

namespace dinov3_seg {

/// Layers of the backbone whose features are to be had side by side.
inline constexpr int64_t all_layers = 4;

/// Which outputs of the network a pass computes, or a head reads.
struct OutputOptions {
  bool decoded = false;        // queries and masks
  int64_t feature_layers = 0;  // features of none, of the last block (1) or of the tapped blocks (4)

  /// What both ask for.
  OutputOptions operator|(const OutputOptions& other) const {
    return {decoded || other.decoded, std::max(feature_layers, other.feature_layers)};
  }
};

/// Outputs of the frozen network for some images, on its device. Only those that a kind of head needs are
/// defined.
struct NetworkOutputs {
  at::Tensor queries;   // B×Q×C float32, or bfloat16 of a cache
  at::Tensor masks;     // B×Q×h×w logits float32, or of a cache bfloat16 or their sigmoid as uint8 (255: 1)
  at::Tensor features;  // B×C×H/16×W/16 of the backbone's last layer, or B×4C×… of all tapped ones, it last
  at::Tensor marks;     // finite_marks() of them, B; undefined for what was looked at before
};

/// Scores images from the outputs of the frozen network. Not thread-safe: one job at a time.
class SegmentationHead {
 public:
  virtual ~SegmentationHead() = default;

  virtual c10::Device device() const = 0;

  /// Queries and masks, or features, for which the backbone alone is run.
  virtual OutputOptions reads() const = 0;

  /// C; of a head that reads several layers' features, of all of them together.
  virtual int64_t width() const = 0;

  /// Classes that `scoring` gives scores of. Throws INVALID_ARGUMENT for a scoring that the head does not
  /// have.
  virtual int64_t scored_classes(Scoring scoring) const = 0;

  /// Throws HEAD_MISMATCH for another width, SHAPE, INVALID_ARGUMENT for a scoring that the head does not
  /// have.
  virtual DenseScores dense_scores(const NetworkOutputs& outputs, Scoring scoring) const = 0;
};

}  // namespace dinov3_seg
