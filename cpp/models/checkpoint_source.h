// The weights that a person gave: one file, or the shards of a folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/named_tensor.h"

namespace dinov3_seg {

/// What config.json beside the weights says and the weights do not. Absent: it does not say so.
struct SourceConfig {
  std::optional<double> rope_theta;
  std::optional<int64_t> attention_heads;
};

/// Resolved by lib/model/checkpoint-source.ts.
struct CheckpointSource {
  std::string path;  ///< as given, for messages
  std::vector<std::string> files;
  std::map<std::string, std::string> index;  ///< key to shard, of an index file; empty: there is none
  SourceConfig config;
};

/// The tensors of all files, views of the mapped files, and what was taken off or left out on the way.
struct SourceTensors {
  std::vector<NamedTensor> tensors;
  std::string format;  ///< of the first file: "pth", "safetensors" or "torchscript"
  std::vector<std::string> notes;
  std::map<std::string, std::string> metadata;  ///< of all files; a later one's value of a key goes before
};

/// Reads the tables of all files. Throws what read_checkpoint throws; CHECKPOINT_KEYS for shards that lack a
/// key of the index, or two that have the same key.
SourceTensors read_source(const CheckpointSource& source);

}  // namespace dinov3_seg
