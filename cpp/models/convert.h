#pragma once

#include <c10/core/ScalarType.h>

#include <string>

#include "core/normalization.h"
#include "models/detector_plan.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

struct ConvertPaths {
  std::string backbone;  // .pth or .safetensors
  std::string head;
  std::string out;  // TorchScript
  Normalization normalization = lvd_normalization;
};

/// Builds the segmentor from two checkpoint files and saves it; `dtype` as in build_segmentor. Tensors are
/// cast one at a time as they are written: the inputs stay mapped, and memory for one tensor is enough. The
/// file appears whole or not at all, and the same inputs give the same bytes. It records the normalization.
/// Throws what read_checkpoint and
/// build_segmentor throw, DISK_FULL, IO.
SegmentorDims convert_segmentor(const ConvertPaths& paths, at::ScalarType dtype);

/// The same for a detector: throws what build_detector throws.
DetectorDims convert_detector(const ConvertPaths& paths, at::ScalarType dtype);

}  // namespace dinov3_seg
