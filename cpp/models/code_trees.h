// What the checks of a network's code share: names in libtorch's syntax trees, and refusing a place in them.
#pragma once

#include <torch/csrc/jit/frontend/tree.h>

#include <string>
#include <vector>

namespace dinov3_seg {

/// The text of a TK_IDENT.
const std::string& name_of(const torch::jit::TreeRef& identifier);

/// The name of a TK_VAR.
const std::string& variable_of(const torch::jit::TreeRef& variable);

/// `a.b.c` as its names; nothing where it does not begin with a name.
std::vector<std::string> names_of_chain(torch::jit::TreeRef tree);

/// The operator that `torch.NAME` or `ops.SPACE.NAME` stands for; empty for anything else.
std::string builtin_of(const torch::jit::TreeRef& tree);

/// Whether libtorch has operators of this qualified name.
bool is_operator(const std::string& name);

/// Throws MODEL_CODE: line N of the code (FILE) WHAT. `path` is the network's file, `file` the source in it.
[[noreturn]] void refuse_code(const std::string& path, const std::string& file, const torch::jit::TreeRef& at,
                              const std::string& what);

}  // namespace dinov3_seg
