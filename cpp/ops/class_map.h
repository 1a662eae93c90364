// The best class of each pixel.
#pragma once

#include "core/dense_scores.h"

namespace dinov3_seg {

/// B×height×width uint8 on the device of the scores, of which no more than bands of rows are in memory at a
/// time, and none where a kernel makes the map. Of equal scores the first class wins. Throws SHAPE for more
/// than 255 classes.
at::Tensor class_map(const DenseScores& scores, int64_t height, int64_t width);

}  // namespace dinov3_seg
