// Dense class scores of Mask2Former queries. Legend: B batch, Q queries, K classes, H×W image, h×w mask grid.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace dinov3_seg {

/// Which columns count and where the resize stands (see DenseScores).
enum class Scoring {
  recipe,  // all K columns; scores at mask resolution, then resized
  ade20k,  // the last column (no object) is dropped; mask logits resized first, then sigmoid
};

/// `recipe` or `ade20k`; anything else throws INVALID_ARGUMENT.
Scoring parse_scoring(const std::string& name);

/// Throws SHAPE unless logits are B×Q×K and masks B×Q×h×w with equal B and Q.
void check_decoded(const at::Tensor& logits, const at::Tensor& masks);

/// Rows first…first+count of `maps` (B×N×h×w float32 or float64) resized bilinearly to height×width
/// (align_corners false). Equal to resizing all of it and cutting the rows out.
at::Tensor resize_rows(const at::Tensor& maps, int64_t height, int64_t width, int64_t first, int64_t count);

/// Σ_q classes[b,q,k] · masks[b,q,…], B×K×h×w, of classes B×Q×K and masks B×Q×h×w, in float32 proper.
at::Tensor mix_masks(const at::Tensor& classes, const at::Tensor& masks);

/// Scores of some images that can be had at any size.
class DenseScores {
 public:
  /// Of class logits B×Q×K and mask logits B×Q×h×w: Σ_q softmax(logits)[q,k] · sigmoid(masks)[q], K' = K for
  /// the recipe and K − 1 for ade20k. Source: Mask2Former's semantic inference (Cheng et al. 2022, §3.1).
  DenseScores(const at::Tensor& logits, const at::Tensor& masks, Scoring scoring);
  /// Scores B×K'×h×w float32 that are only to be resized: a linear probe's.
  explicit DenseScores(const at::Tensor& scores);

  /// B.
  int64_t images() const { return source_.size(0); }

  /// Those of one image alone, in the same memory.
  DenseScores image(int64_t index) const;

  c10::Device device() const { return source_.device(); }

  /// K'.
  int64_t classes() const { return query_classes_.defined() ? query_classes_.size(2) : source_.size(1); }

  /// Bilinear, align_corners false: B×K'×height×width float32. Holds all of it in memory: for crops and
  /// tests; each_band is the way for large images.
  at::Tensor resized(int64_t height, int64_t width) const;

  /// Calls `use(first row, resized() of a band of rows)` from top to bottom, so that memory stays bounded at
  /// any image size.
  void each_band(int64_t height, int64_t width,
                 const std::function<void(int64_t, const at::Tensor&)>& use) const;

  /// finite_marks() of what the scores are made of: of the logits, and of what watch() added.
  at::Tensor marks() const { return marks_; }
  /// Adds marks B of the outputs that the logits come from; undefined: none.
  void watch(const at::Tensor& marks);

  /// B×K'×h×w where resizing is all that is left to do; undefined where it is not.
  at::Tensor grid_scores() const { return query_classes_.defined() ? at::Tensor() : source_; }
  /// Where it is not: classes B×Q×K' of the mask logits B×Q×h×w that are resized first.
  struct QueryScores {
    at::Tensor classes, masks;
  };
  QueryScores query_scores() const { return {query_classes_, source_}; }

  /// B×K'×h×w float32 that are not negative: resized() to the grid's own size, where nothing is resized; of a
  /// linear probe the softmax of its logits.
  at::Tensor shares_on_grid() const;

  /// resized() on the CPU, made in bands of rows. Throws SHAPE where it would take more than 2 GiB.
  at::Tensor on_host(int64_t height, int64_t width) const;

 private:
  at::Tensor finish(const at::Tensor& resized) const;

  at::Tensor source_;         // B×K'×h×w scores, or B×Q×h×w mask logits
  at::Tensor query_classes_;  // B×Q×K' where source_ are mask logits
  at::Tensor marks_;          // B float32
  bool logits_ = false;       // whether source_ are a linear probe's
};

}  // namespace dinov3_seg
