// EoMT networks from the files of transformers and of their authors, under our networks' names.
#pragma once

#include <optional>
#include <vector>

#include "models/backbone_weights.h"
#include "models/checkpoint_source.h"
#include "models/deferred_tensors.h"

namespace dinov3_seg {

/// What an EoMT file holds of the backbone: all of it (transformers), or what training has added to it (the
/// authors).
enum class EomtFile { whole, differences };

/// Nothing for the tensors of other networks.
std::optional<EomtFile> eomt_file(const std::vector<NamedTensor>& tensors);

struct EomtWeights {
  BackboneWeights backbone;       ///< with the origins of all keys and the notes on both parts
  std::vector<NamedTensor> head;  ///< `segmentation_model.1.…`
};

/// Of a whole file. Throws CHECKPOINT_KEYS for keys that are missing, unexpected or misshapen, and what
/// backbone_among throws.
EomtWeights read_eomt(SourceTensors given, const CheckpointSource& source, DeferredTensors& deferred);

/// Of a backbone and a file of differences: their sums in float32, each a placeholder that is made when it is
/// written. A file whose backbone is whole after all (a training's own checkpoint) is taken as it is. Throws
/// the same, and HEAD_MISMATCH for a backbone of another width.
EomtWeights add_differences(BackboneWeights backbone, SourceTensors given, const CheckpointSource& source,
                            DeferredTensors& deferred);

}  // namespace dinov3_seg
