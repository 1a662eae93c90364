// From checkpoints to a network file.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/normalization.h"
#include "models/backbone_network_plan.h"
#include "models/checkpoint_source.h"
#include "models/detector_plan.h"
#include "models/eomt_plan.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

enum class Task { segmentation, detection };

struct ConvertSettings {
  CheckpointSource backbone;
  std::optional<CheckpointSource> head;  ///< none: the network is the backbone alone
  std::string out;                       ///< TorchScript
  at::ScalarType dtype = at::kFloat;
  Task task = Task::segmentation;
  Normalization normalization = lvd_normalization;  ///< recorded in the file
};

struct ConvertedNetwork {
  std::variant<SegmentorDims, DetectorDims, EomtDims, BackboneNetworkDims> dims;
  std::vector<std::string> notes;  ///< what was taken off, derived or left out of the files: a line each
};

/// Builds the network from its checkpoints, whatever their layout (key_layouts.h), and saves it. A backbone's
/// file that is a whole EoMT network, or a head's that holds EoMT's differences, give such a network. `dtype`
/// as in build_segmentor. Tensors are joined and cast one at a time as they are written: the inputs stay
/// mapped, and memory for one tensor is enough. Every value is looked at on the way. The file appears whole
/// or not at all, and the same inputs give the same bytes. Without a head, and with a linear head, the
/// network is a backbone alone (build_backbone). Throws what read_backbone, read_source, read_eomt,
/// add_differences and the builders throw; INVALID_ARGUMENT for a detector without a head; CHECKPOINT_VALUES
/// for values that are not finite; DISK_FULL, IO.
ConvertedNetwork convert_network(const ConvertSettings& settings);

}  // namespace dinov3_seg
