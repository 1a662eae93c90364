// Network files of unknown origin: what is looked at before libtorch reads them, and before they run.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace dinov3_seg {

/// Looks at an archive before libtorch does. libtorch's unpickler asks for as much memory as a damaged pickle
/// states, checks neither shapes nor strides against the storages, and runs code of the file.
///
/// - Its table of contents is the same for libtorch's reader and for ZipReader; no two names differ in case
///   alone, which libtorch's reader does not tell apart.
/// - The pickles hold modules, plain values and tensors that lie within their storages (pickle_reader.h).
/// - The code uses operators of networks alone (code_check.h), unless `trust_code`.
///
/// Throws what network_archive() throws, MODEL_FORMAT, MODEL_CODE.
void check_network_file(const std::string& path, bool trust_code);

/// Looks at a network that was loaded and has not run. Its fields and constants have the types that its code
/// declares (libtorch reads fields by their place, whatever the object); its methods, with all that they
/// call, are of a size that can be prepared for running; and, unless `trust_code`, what its code was compiled
/// to uses operators of networks alone, and takes no value for one of another type. Throws MODEL_FORMAT,
/// MODEL_CODE.
void check_loaded_network(const std::string& path, const torch::jit::Module& module, bool trust_code);

}  // namespace dinov3_seg
