// TorchScript archives in and out, as jobs that can be stopped and tell how far they are.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/normalization.h"
#include "models/network_archive.h"
#include "models/shared_tensors.h"

namespace caffe2::serialize {
class PyTorchStreamWriter;
}

namespace dinov3_seg {

/// Loads a TorchScript file onto a device: onto a GPU through pinned buffers (staged_archive.h) unless the
/// file holds what that cannot take, then and on the CPU as torch::jit::load does. Reports bytes read of the
/// file's size. What `shared` stands for is not read (MODEL_FORMAT for a file that staged_archive.h cannot
/// take). Throws FILE_NOT_FOUND, IO, MODEL_FORMAT, OUT_OF_MEMORY, ABORTED.
/// `resident_blocks`: the matrices that are streamed then stay in the mapped file (staged_archive.h).
/// `streams`: whether they are to be streamed, for which memory is planned and scarce.
/// `trust_code`: whether code may use any operator; else MODEL_CODE (network_check.h).
torch::jit::Module load_archive(const std::string& path, c10::Device device, const SharedTensors& shared = {},
                                std::optional<std::int64_t> resident_blocks = {}, bool streams = false,
                                bool trust_code = false);

/// Writes the module as a TorchScript file, whole or not at all. Reports bytes written of about the bytes of
/// its tensors. `normalization` is recorded, where there is one. Throws DISK_FULL, IO, FILE_NOT_FOUND,
/// ABORTED.
void save_archive(const torch::jit::Module& module, const std::string& path,
                  const std::optional<Normalization>& normalization = {});

/// Writes a module's records, but not the archive's end.
void serialize_module(caffe2::serialize::PyTorchStreamWriter& writer, const torch::jit::Module& module,
                      const std::optional<Normalization>& normalization);

/// Makes the file of an archive whose records and end `write` writes; what it throws ends the work, and
/// nothing is left behind. Throws as save_archive does.
void write_archive(const std::string& path, std::uint64_t expected_bytes,
                   const std::function<void(caffe2::serialize::PyTorchStreamWriter&)>& write);

}  // namespace dinov3_seg
