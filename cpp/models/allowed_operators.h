// What the code of a network file may use. docs/networks.md says how the lists were found.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

namespace dinov3_seg {

/// Operators by their qualified names, such as aten::add. They compute from their arguments: none reads or
/// writes files, prints, starts threads or changes settings of the process.
const std::unordered_set<std::string>& allowed_operators();

/// Those of them that a __setstate__ may call, which runs while a file is loaded: they pack the weights of
/// quantised layers, and have no sizes among their arguments.
const std::unordered_set<std::string>& state_operators();

/// Functions that code calls by a name alone: annotate(), range().
bool is_allowed_function(std::string_view name);

/// False for classes of C++ (__torch__.torch.classes.…), except those that hold packed weights. `name`
/// begins with __torch__.
bool is_allowed_class(std::string_view name);

}  // namespace dinov3_seg
