// Times of a network's parts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bindings/fields.h"
#include "models/part_times.h"

namespace dinov3_seg {

struct TimesOptions {
  int64_t repeat;
};
template <>
inline constexpr auto fields<TimesOptions> = std::tuple{field("repeat", &TimesOptions::repeat)};

inline std::vector<std::pair<std::string, double>> named_times(const std::vector<PartTime>& parts) {
  std::vector<std::pair<std::string, double>> times;
  for (const PartTime& part : parts) times.emplace_back(part.part, part.milliseconds);
  return times;
}

}  // namespace dinov3_seg
