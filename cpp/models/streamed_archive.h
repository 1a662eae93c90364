// TorchScript archives written a tensor at a time.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>

#include "core/normalization.h"
#include "models/deferred_tensors.h"

namespace dinov3_seg {

/// Writes the same bytes as save_archive would if the placeholders of `deferred` had their values, which are
/// made one at a time as they are written: memory for one tensor is enough. Tensors of mapped files are
/// written from the mapping. The file is written atomically; progress is bytes written, out of about the
/// bytes of its tensors. `normalization` is recorded, where there is one. `finish` is called when everything
/// is written and before the file appears: where it throws, there is none. Throws DISK_FULL, IO,
/// FILE_NOT_FOUND, ABORTED, and what `finish` and the functions for the values throw.
void save_streamed(
    const torch::jit::Module& module, const DeferredTensors& deferred, const std::string& path,
    const std::optional<Normalization>& normalization = {}, const std::function<void()>& finish = [] {});

}  // namespace dinov3_seg
