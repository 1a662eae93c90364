// Dense class scores of Mask2Former queries. Legend: B batch, Q queries, K classes, H×W image, h×w mask grid.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace dinov3_seg {

/// Which columns count and where the resize stands (see dense_scores and class_map).
enum class Scoring {
  recipe,  // all K columns; scores at mask resolution, then resized
  ade20k,  // the last column (no object) is dropped; mask logits resized first, then sigmoid
};

/// `recipe` or `ade20k`; anything else throws INVALID_ARGUMENT.
Scoring parse_scoring(const std::string& name);

/// Throws SHAPE unless logits are B×Q×K and masks B×Q×h×w with equal B and Q.
void check_decoded(const at::Tensor& logits, const at::Tensor& masks);

/// Rows first…first+count of `maps` (B×N×h×w float32) resized bilinearly to height×width (align_corners
/// false). Equal to resizing all of it and cutting the rows out.
at::Tensor resize_rows(const at::Tensor& maps, int64_t height, int64_t width, int64_t first, int64_t count);

/// Σ_q softmax(logits)[q,k] · sigmoid(masks)[q,h,w]: B×K×h×w float32, at mask resolution, all K columns.
/// Source: the recipe (Mask2Former's semantic inference, Cheng et al. 2022, §3.1, without the no-object
/// class).
at::Tensor dense_scores(const at::Tensor& logits, const at::Tensor& masks);

/// Scores at height×width (bilinear, align_corners false): B×K'×height×width float32, K' = K for the recipe
/// and K − 1 for ade20k. Holds all of it in memory: for crops and tests; class_map is the way for large
/// images.
at::Tensor resized_scores(const at::Tensor& logits, const at::Tensor& masks, int64_t height, int64_t width,
                          Scoring scoring);

/// Best class of each pixel at height×width: B×height×width uint8 on the device of `masks`. Works in bands of
/// rows, so that memory stays bounded at any image size. Throws SHAPE for more than 255 classes.
at::Tensor class_map(const at::Tensor& logits, const at::Tensor& masks, int64_t height, int64_t width,
                     Scoring scoring);

/// Scores at height×width as resized_scores gives them, B×K'×height×width float32 on the CPU, made in bands
/// of rows. Throws SHAPE where they would take more than 2 GiB.
at::Tensor scores_on_host(const at::Tensor& logits, const at::Tensor& masks, int64_t height, int64_t width,
                          Scoring scoring);

}  // namespace dinov3_seg
