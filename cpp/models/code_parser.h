// The source files of a TorchScript archive, parsed as libtorch's importer parses them.
#pragma once

#include <torch/csrc/jit/frontend/tree.h>

#include <string>
#include <vector>

#include "models/code_check.h"

namespace dinov3_seg {

/// A class or a function of the file's code.
struct Definition {
  std::string name;  ///< such as __torch__.net.Net
  std::string file;  ///< name in the archive
  torch::jit::TreeRef tree;
};

/// Nothing of the code is compiled or run. Throws MODEL_FORMAT for code that does not parse, and MODEL_CODE
/// for statements that are nested so deeply that a parser or compiler would run out of stack.
std::vector<Definition> parse_code(const std::string& path, const std::vector<CodeFile>& files);

}  // namespace dinov3_seg
