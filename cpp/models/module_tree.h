// Puts a checkpoint's tensors into a TorchScript module whose classes are described by our sources.
#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/torchscript_parser.h"

namespace dinov3_seg {

/// Builds the module of class `root` that holds `tensors` under their names, split at the dots. Tensors are
/// taken as they are (no copy), without gradient; every module is in eval mode. Modules of one class that
/// hold the same fields share one compiled type. `constants` are the names in capitals that the sources use:
/// ints or lists of ints. `parts`: modules that stand in the network as they are, with the code that they
/// have, instead of those built from the sources. Errors: INTERNAL where the tensors do not fit the declared
/// fields; a compile error is libtorch's own.
torch::jit::Module build_module(const ScriptLibrary& library, const std::string& root,
                                const std::map<std::string, c10::IValue>& constants,
                                const std::vector<NamedTensor>& tensors,
                                const std::map<std::string, torch::jit::Module>& parts = {});

}  // namespace dinov3_seg
