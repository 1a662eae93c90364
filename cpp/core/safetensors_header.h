// The JSON table at the head of a .safetensors file.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dinov3_seg {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::array<std::int64_t, 2> data_offsets{};  ///< begin and end in bytes, from the end of the header
};

struct SafetensorsHeader {
  std::deque<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// Strict: exactly the keys of the format, names once, numbers whole and not negative, strings well-formed
/// UTF-8. Throws CHECKPOINT_FORMAT, naming the file by `where`.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where);

std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace dinov3_seg
