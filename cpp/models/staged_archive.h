// TorchScript files brought to a device through two buffers.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>

#include "models/shared_tensors.h"

namespace dinov3_seg {

/// Loads a TorchScript file onto a device: large tensors are read into one of two buffers of 64 MiB, pinned
/// where the device is a GPU, while the other one is copied to the device. The host holds nothing else of
/// them. Nothing where the file holds what only torch::jit::load can take: tensors inside of its code or of
/// lists and other containers, classes that make their state themselves (__setstate__).
/// The tensors `shared` stand in the module for what lies in the file where they say, which is not read; each
/// is of the shape of what it stands for. Throws what FileSource throws, OUT_OF_MEMORY, ABORTED.
std::optional<torch::jit::Module> load_staged(const std::string& path, c10::Device device,
                                              const SharedTensors& shared = {});

}  // namespace dinov3_seg
