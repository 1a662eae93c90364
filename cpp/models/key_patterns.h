// Patterns of keys: parts between dots that are literal, or N for a number.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dinov3_seg {

/// What a pattern's numbers stand for in a key, and what follows the match.
struct PatternMatch {
  std::vector<std::string_view> numbers;
  std::string_view rest;
};

/// Empty unless `key` is the pattern, or goes on after it with a dot.
std::optional<PatternMatch> match_pattern(std::string_view pattern, std::string_view key);

/// The key that a pattern gives with these numbers and this rest.
std::string fill_pattern(std::string_view pattern, const PatternMatch& match);

}  // namespace dinov3_seg
