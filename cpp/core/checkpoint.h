// Checkpoint files of every kind: .pth, .safetensors, TorchScript.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "named_tensor.h"
#include "normalization.h"

namespace dinov3_seg {

struct Checkpoint {
  std::string format;                ///< "pth", "safetensors" or "torchscript"
  std::vector<NamedTensor> tensors;  ///< in the order of the file; CPU
  std::map<std::string, std::string> metadata;
  std::string container;  ///< where in a .pth file they lie ("model", "teacher"); empty: at the top
  std::vector<std::string> ignored;  ///< other containers of tensors in that file
};

/// Reads the names, shapes and places of all tensors; the tensors are views of the mapped file, whose pages
/// are read when they are used, and share memory where they did when saved. The format is told from the
/// content.
///
/// Nothing of the file is executed. Throws FILE_NOT_FOUND, IO, CHECKPOINT_FORMAT, CHECKPOINT_TRUNCATED,
/// CHECKPOINT_ENCRYPTED, CHECKPOINT_LEGACY (torch.save before PyTorch 1.6), CHECKPOINT_UNSAFE (a pickle that
/// asks for anything but tensors and containers). Any thread.
Checkpoint read_checkpoint(const std::string& path);

struct CheckpointRow {
  std::string key;
  std::vector<std::int64_t> shape;
  std::string dtype;   ///< "float32", "bfloat16", …
  std::int64_t bytes;  ///< of its elements, shared with other tensors or not
};

struct CheckpointSummary {
  std::string format;
  std::vector<CheckpointRow> rows;
  std::int64_t parameters = 0;   ///< elements of all rows, buffers included
  std::int64_t total_bytes = 0;  ///< of all rows
  std::map<std::string, std::string> metadata;
  std::optional<Normalization> normalization;  ///< as recorded in a TorchScript file
};

/// The summary of such tensors. `path`: a file of them, for its normalization.
CheckpointSummary summarise(Checkpoint checkpoint, const std::string& path);

/// What `read_checkpoint` would give, without reading the data. Throws the same; MODEL_FORMAT for a damaged
/// record of the normalization.
CheckpointSummary inspect_checkpoint(const std::string& path);

}  // namespace dinov3_seg
