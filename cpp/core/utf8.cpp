#include "utf8.h"

#include <cstdint>

namespace dinov3_seg {
namespace {

/// Length in bytes of the well-formed character at the start of `text`, 0 if there is none (Unicode 16, table
/// 3-7).
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0; };
  const auto within = [&](std::size_t i, int low, int high) { return byte(i) >= low && byte(i) <= high; };
  const int first = byte(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const int low = first == 0xe0 ? 0xa0 : 0x80;
    const int high = first == 0xed ? 0x9f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const int low = first == 0xf0 ? 0x90 : 0x80;
    const int high = first == 0xf4 ? 0x8f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// The code point of a well-formed character.
std::uint32_t code_point(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) return first;
  std::uint32_t code = first & (0x7fu >> character.size());
  for (const char byte : character.substr(1)) code = code << 6 | (static_cast<std::uint8_t>(byte) & 0x3fu);
  return code;
}

/// Whether a character acts on the terminal, on the line or on the direction of the text around it.
bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string escape(const char* kind, std::uint32_t code, int digits) {
  std::string result = kind;
  for (int digit = digits; digit-- > 0;) result += "0123456789ABCDEF"[code >> 4 * digit & 15];
  return result;
}

/// Takes the first character of a text that is not empty.
std::string take_escaped(std::string_view& text) {
  const auto size = character_size(text);
  const std::string_view character = text.substr(0, size == 0 ? 1 : size);
  text.remove_prefix(character.size());
  if (size == 0) return escape("\\x", static_cast<std::uint8_t>(character[0]), 2);
  const std::uint32_t code = code_point(character);
  if (!is_control(code)) return std::string(character);
  return escape("\\u", code, 4);
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  while (!text.empty()) {
    const std::string character = take_escaped(text);
    if (result.size() + character.size() > limit) return result + "…";
    result += character;
  }
  return result;
}

std::string printable_message(std::string_view message) {
  std::string result;
  while (!message.empty()) {
    if (message[0] == '\n' || message[0] == '\t') {
      result += message[0];
      message.remove_prefix(1);
    } else {
      result += take_escaped(message);
    }
  }
  return result;
}

}  // namespace dinov3_seg
