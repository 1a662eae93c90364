#include "models/key_patterns.h"

#include <algorithm>
#include <cctype>

namespace dinov3_seg {
namespace {

std::string_view next_part(std::string_view& text) {
  const std::size_t dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  return part;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

std::optional<PatternMatch> match_pattern(std::string_view pattern, std::string_view key) {
  PatternMatch result;
  while (!pattern.empty()) {
    if (key.empty()) return {};
    const std::string_view wanted = next_part(pattern), part = next_part(key);
    if (wanted == "N" ? !is_number(part) : wanted != part) return {};
    if (wanted == "N") result.numbers.push_back(part);
  }
  result.rest = key;
  return result;
}

std::string fill_pattern(std::string_view pattern, const PatternMatch& match) {
  std::string text;
  std::size_t number = 0;
  while (!pattern.empty()) {
    const std::string_view part = next_part(pattern);
    text += (text.empty() ? "" : ".");
    text += part == "N" ? match.numbers.at(number++) : part;
  }
  if (!match.rest.empty()) text += "." + std::string(match.rest);
  return text;
}

}  // namespace dinov3_seg
