// TorchScript files brought to a device through two buffers.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <optional>

#include "models/network_check.h"
#include "models/shared_tensors.h"

namespace dinov3_seg {

/// Loads a TorchScript file onto a device. Large tensors are read into one of two buffers of 64 MiB (pinned
/// if the device is a GPU) while the other buffer is copied to the device; the host holds no other copy.
/// Returns nothing for files that only torch::jit::load supports: with tensors in code, lists or other
/// containers, or with classes that create their own state (__setstate__). The tensors in `shared` replace
/// the file's tensors at the given offsets, which are not read; each has the shape of the tensor that it
/// replaces. Throws what FileSource throws, OUT_OF_MEMORY, ABORTED.
///
/// With `resident_blocks` the matrices of the backbone's other blocks and of the decoder's layers
/// (streamed_matrices()) stay on the CPU: views of the mapped file, if they are large.
std::optional<torch::jit::Module> load_staged(const CheckedFile& file, c10::Device device,
                                              const SharedTensors& shared = {},
                                              std::optional<std::int64_t> resident_blocks = {});

}  // namespace dinov3_seg
