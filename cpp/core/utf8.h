// Text from files: checking and showing it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dinov3_seg {

/// True for well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

/// A name or text of a file for a message: what could steer a terminal, reverse the text around it or break
/// the line (C0 and C1 controls, DEL, bidirectional controls, line separators) and what is not UTF-8 is
/// escaped as
/// `\u001B` or, of a byte, `\xFF`. What is longer than `limit` bytes is cut.
std::string printable(std::string_view text, std::size_t limit = 200);

/// A whole message, escaped in the same way; its line ends and tabs stay.
std::string printable_message(std::string_view message);

}  // namespace dinov3_seg
