// Text from files: checking and showing it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dinov3_seg {

/// True for well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

/// `text` for an error message: bytes that are not printable ASCII or well-formed UTF-8 become '?', and what
/// is longer than `limit` bytes is cut.
std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace dinov3_seg
