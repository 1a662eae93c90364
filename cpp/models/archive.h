// TorchScript archives in and out, as jobs that can be stopped and tell how far they are.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace dinov3_seg {

/// Loads a TorchScript file onto a device. Reports bytes read of the file's size.
/// Throws FILE_NOT_FOUND, IO, MODEL_FORMAT, OUT_OF_MEMORY, ABORTED.
torch::jit::Module load_archive(const std::string& path, c10::Device device);

/// Writes the module as a TorchScript file, whole or not at all. Reports bytes written of about the bytes of
/// its tensors. Throws DISK_FULL, IO, FILE_NOT_FOUND, ABORTED.
void save_archive(const torch::jit::Module& module, const std::string& path);

}  // namespace dinov3_seg
