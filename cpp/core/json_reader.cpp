#include "json_reader.h"

#include <locale>
#include <sstream>

#include "byte_reader.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

constexpr int deepest = 64;

void append_utf8(std::string& result, std::uint32_t code) {
  const auto tail = [&](int shift) { result += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    result += static_cast<char>(code);
  } else if (code < 0x800) {
    result += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    result += static_cast<char>(0xe0 | code >> 12);
    tail(6), tail(0);
  } else {
    result += static_cast<char>(0xf0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

std::int64_t JsonReader::integer() {
  space();
  const auto begin = position_;
  std::int64_t result = 0;
  while (peek() >= '0' && peek() <= '9') {
    const std::int64_t digit = json_[position_++] - '0';
    if (!checked_multiply(result, std::int64_t{10}, result) || !checked_add(result, digit, result)) {
      invalid("a number is too large");
    }
  }
  if (position_ == begin) invalid("expected a whole number");
  if (json_[begin] == '0' && position_ - begin > 1) invalid("a number begins with 0");
  return result;
}

double JsonReader::number() {
  space();
  const auto end = json_.find_first_not_of("+-.0123456789eE", position_);
  const std::string text(json_.substr(position_, end - position_));
  // Not std::from_chars: libstdc++ has it for floating point since version 11 only.
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double value = 0;
  if (text.empty() || !(stream >> value) || stream.peek() != std::istringstream::traits_type::eof())
    invalid("expected a number");
  position_ += text.size();
  return value;
}

std::string JsonReader::string() {
  expect('"');
  std::string result;
  while (peek() != '"') {
    const char c = next();
    if (static_cast<unsigned char>(c) < 0x20) invalid("a string contains a control character");
    if (c == '\\') {
      escape(result);
    } else {
      result += c;
    }
  }
  ++position_;
  if (!is_utf8(result)) invalid("a string is not UTF-8");
  return result;
}

void JsonReader::escape(std::string& result) {
  constexpr std::string_view from = "\"\\/bfnrt";
  constexpr std::string_view to = "\"\\/\b\f\n\r\t";
  const char c = next();
  if (c != 'u') {
    const auto which = from.find(c);
    if (which == std::string_view::npos) invalid("a string contains an unknown escape");
    result += to[which];
    return;
  }
  std::uint32_t code = hex4();
  if (code >= 0xd800 && code <= 0xdbff) {
    if (next() != '\\' || next() != 'u') invalid("a string holds half of a surrogate pair");
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) invalid("a string holds half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(result, code);
}

std::uint32_t JsonReader::hex4() {
  std::uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = next();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) invalid("a \\u escape is not four hexadecimal digits");
    result = result << 4 | static_cast<std::uint32_t>(digit);
  }
  return result;
}

void JsonReader::skip_value() {
  space();
  if (++depth_ > deepest) invalid("it is nested too deeply");
  if (peek() == '{') {
    each_member([&](const std::string&) { skip_value(); });
  } else if (peek() == '[') {
    each_item([&] { skip_value(); });
  } else if (peek() == '"') {
    string();
  } else {
    constexpr std::string_view words[] = {"true", "false", "null"};
    bool found = false;
    for (const std::string_view word : words)
      if (!found && json_.substr(position_, word.size()) == word) {
        position_ += word.size();
        found = true;
      }
    if (!found) number();
  }
  --depth_;
}

void JsonReader::end() {
  space();
  if (position_ != json_.size()) invalid("there is data after the end");
}

char JsonReader::next() {
  if (position_ == json_.size()) invalid("it ends early");
  return json_[position_++];
}

void JsonReader::space() {
  while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++position_;
}

bool JsonReader::accept(char c) {
  space();
  if (peek() != c) return false;
  ++position_;
  return true;
}

void JsonReader::expect(char c) {
  if (!accept(c)) invalid(std::string("expected ") + c);
}

}  // namespace dinov3_seg
