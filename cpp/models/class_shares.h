// How much of each image belongs to each column of a table of features, by one pass of the network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/segmentation_head.h"
#include "models/network_input.h"
#include "models/segmentation_model.h"

namespace dinov3_seg {

/// A head and what its classes count for.
struct ShareLayer {
  std::shared_ptr<const SegmentationHead> head;
  Scoring scoring = Scoring::recipe;
  at::Tensor table;  // class to column, see core/class_columns.h
};

struct ShareOptions {
  int64_t height;  // of the network's input, multiples of 32
  int64_t width;
  int64_t columns;
  bool soft = false;
};

/// Of images, images×(columns+1) float64 on the CPU, the last column for what has none.
/// The images are resized to height×width and go through the network together; every layer scores that one
/// pass, and later layers go over earlier ones where their tables have a column.
/// Pixels whose alpha is below 128 have no column.
/// Counts: pixels of the class maps at the image's size. Soft: means over the places of the grid of the
/// shares that scores have there (of a probe: softmax of its logits), see column_shares; each row sums to 1.
/// Reports images done. Throws INVALID_ARGUMENT, HEAD_MISMATCH, SHAPE, NotFinite, and what the network and
/// the heads throw.
at::Tensor class_shares(SegmentationModel& model, const std::vector<ShareLayer>& layers,
                        const std::vector<PassImage>& images, const ShareOptions& options);

}  // namespace dinov3_seg
