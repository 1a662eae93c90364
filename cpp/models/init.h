// Networks with random weights, for the demo and for tests: the structure of the released ones at any size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/plan.h"

namespace dinov3_seg {

/// The two files of a segmentor, keys in the order of the released ones.
struct SegmentorCheckpoint {
  std::vector<NamedTensor> backbone;
  std::vector<NamedTensor> head;
};

/// Dimensions by name:
///   dinov3_vit7b16_ade20k_m2f   the released network (7.6 billion parameters)
///   tiny                        the same structure with 1.1 million parameters, for 128–256 pixels on a CPU
/// Errors: INVALID_ARGUMENT with the known names.
SegmentorDims preset(const std::string& name);

/// Random float32 weights on the CPU. The same seed gives the same bits on every machine: no library's random
/// generator takes part. Scales are chosen so that the untrained network is of use: activations keep their
/// size, sampling offsets reach a few pixels, every query has a mask of its own that follows the image and is
/// neither full nor empty, and a trained class_embed can tell the queries apart.
SegmentorCheckpoint init_checkpoint(const SegmentorDims& dims, uint64_t seed);

}  // namespace dinov3_seg
