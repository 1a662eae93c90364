// Bounds for what libtorch's compiler takes far more time for than the length of the code.
#pragma once

#include <string>
#include <vector>

#include "models/code_parser.h"

namespace dinov3_seg {

/// Refuses types and values that are nested in each other more than 10 deep, for which the compiler takes
/// twice the time with each level (25 levels: 5 s), whether a statement nests them or a chain of statements
/// such as `x = (x,)`; functions without a stated type, whose results would nest in the same way; and
/// functions with more than 50 returns, breaks and raises, for which it takes time in proportion to the
/// square. libtorch's own files have one return a function. Throws MODEL_CODE.
void check_type_nesting(const std::string& path, const std::vector<Definition>& definitions);

}  // namespace dinov3_seg
