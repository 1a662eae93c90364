// A backbone from any publisher's files, under Meta's names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint.h"
#include "models/backbone_plan.h"
#include "models/checkpoint_source.h"
#include "models/deferred_tensors.h"

namespace dinov3_seg {

struct BackboneWeights {
  std::vector<NamedTensor> tensors;            ///< under Meta's names; joined matrices are placeholders
  std::map<std::string, std::string> origins;  ///< Meta's key to the file's names, where they differ
  std::vector<std::string> notes;  ///< layout, prefixes, what was derived or left out: a line each
};

/// Finds the backbone among a source's tensors, brings it under Meta's names (key_layouts.h) and derives what
/// the file lacks (backbone_derivations.h). Throws what read_source throws, and CHECKPOINT_KEYS for another
/// layout, another network (other_networks.h), keys that are missing, unexpected or misshapen, or an unknown
/// number of heads.
BackboneWeights read_backbone(const CheckpointSource& source, DeferredTensors& deferred);

/// The same of the source's tensors.
BackboneWeights backbone_among(SourceTensors given, const CheckpointSource& source,
                               DeferredTensors& deferred);

struct RecognisedBackbone {
  std::string layout, prefix;
  BackboneDims dims;
};

/// What a source holds, for people.
struct InspectedSource {
  CheckpointSummary summary;  ///< of all files together; format and normalization of the first
  std::optional<RecognisedBackbone> backbone;
};

/// Reads the source once. Throws what read_source and inspect_checkpoint throw.
InspectedSource inspect_source(const CheckpointSource& source);

}  // namespace dinov3_seg
