// What the code of a TorchScript file would do, found out before any of it runs.
#pragma once

#include <string>
#include <vector>

namespace dinov3_seg {

/// One source file of an archive.
struct CodeFile {
  std::string name;  ///< in the archive, such as code/__torch__/net.py
  std::string text;
};

/// Refuses code that uses anything but the operators that networks are made of (allowed_operators.h). The
/// code is parsed by libtorch's parser and not compiled: compiling runs default arguments and folds
/// constants. `path` names the file in messages. Throws MODEL_CODE with the operator and its place, and
/// MODEL_FORMAT for code that does not parse.
///
/// Refused as well: default arguments and class constants that are not literals; a __setstate__ that does
/// more than packing the weights of a quantised layer, since loading runs it; statements that are nested so
/// deeply, or refer to each other in chains so long, that the compiler would run out of stack.
void check_code(const std::string& path, const std::vector<CodeFile>& files);

}  // namespace dinov3_seg
