// A detector beside a segmentor: the backbone's weights once for both.
#pragma once

#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/key_shapes.h"
#include "models/segmentation_model.h"
#include "models/shared_tensors.h"

namespace dinov3_seg {

/// Finds the segmentor's tensors that replace the backbone in a detector's file when it is loaded with
/// `placement`. Compares names, shapes, dtypes, sizes and checksums in the tables of contents of the two
/// files, and values only if a file has no checksums. Returns all tensors of the backbone, or throws
/// BACKBONE_MISMATCH if one of them differs (also in the dtype that the segmentor holds), or if the
/// segmentor's file is missing or has changed; DEVICE for another device; MODEL_FORMAT if the file is not a
/// detector made by convert; what read_checkpoint throws.
SharedTensors shared_backbone(const std::string& path, const ModelPlacement& placement,
                              const SegmentationModel& segmentor);

/// Weights that the segmentor has quantised are taken as they are: their scales are for share_weight_scales()
/// (quantized_blocks.h), here and below.
///
/// The segmentor's tensors under `keys`, in their order, for a detector called `name` that is made without a
/// file. Throws BACKBONE_MISMATCH if one is missing, has another shape or another dtype than stored_dtype();
/// DEVICE.
std::vector<NamedTensor> backbone_of(const SegmentationModel& segmentor, const std::vector<KeyShape>& keys,
                                     at::ScalarType dtype, c10::Device device, const std::string& name);

}  // namespace dinov3_seg
