// A detector beside a segmentor: the backbone's weights once for both.
#pragma once

#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/key_shapes.h"
#include "models/segmentation_model.h"
#include "models/shared_tensors.h"

namespace dinov3_seg {

/// The segmentor's tensors that stand for those of the backbone in a detector's file, which is to be loaded
/// as `placement` says. Decided by names, shapes, dtypes, sizes and checksums in the tables of contents of
/// the two files; values are read where a file was written without checksums. All of the backbone's tensors
/// or an error. Throws BACKBONE_MISMATCH where one of them differs, also in the dtype that the segmentor
/// holds it in, or the segmentor has no file, or another one by now; DEVICE for another device; MODEL_FORMAT
/// where the file holds no detector of convert; what read_checkpoint throws.
SharedTensors shared_backbone(const std::string& path, const ModelPlacement& placement,
                              const SegmentationModel& segmentor);

/// The segmentor's tensors under `keys`, in their order, for a detector called `name` that is made without a
/// file. Throws BACKBONE_MISMATCH where one is missing, of another shape or not in stored_dtype(); DEVICE.
std::vector<NamedTensor> backbone_of(const SegmentationModel& segmentor, const std::vector<KeyShape>& keys,
                                     at::ScalarType dtype, c10::Device device, const std::string& name);

}  // namespace dinov3_seg
