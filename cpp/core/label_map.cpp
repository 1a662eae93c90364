#include "core/label_map.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/page_allocator.h"

namespace dinov3_seg {
namespace {

/// More than the 24 bits of a colour.
constexpr uint32_t no_color = 0xffffffff;

template <typename Value>
bool map_values(const Value* values, int64_t count, std::span<const uint32_t> table, uint8_t* classes) {
  // As long as values can be: the loop then has no branch.
  std::vector<uint16_t> wide(size_t{1} << std::numeric_limits<Value>::digits, no_class);
  std::copy(table.begin(), table.end(), wide.begin());
  uint16_t seen = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t found = wide[values[i]];
    seen |= found;
    classes[i] = static_cast<uint8_t>(found);
  }
  return (seen & no_class) == 0;
}

}  // namespace

at::Tensor map_label(const at::Tensor& values, std::span<const uint32_t> table) {
  if (table.size() != 256) fail("INVALID_ARGUMENT", "expected a table of 256 classes, got ", table.size());
  at::Tensor classes = empty_page_allocated(values.sizes(), at::kByte);
  auto* to = classes.mutable_data_ptr<uint8_t>();
  const bool have_classes = values.scalar_type() == at::kByte
                                ? map_values(values.const_data_ptr<uint8_t>(), values.numel(), table, to)
                                : map_values(values.const_data_ptr<uint16_t>(), values.numel(), table, to);
  return have_classes ? classes : at::Tensor();
}

at::Tensor map_colors(const at::Tensor& pixels, std::span<const uint32_t> colors) {
  if (pixels.scalar_type() != at::kByte || pixels.numel() % 3 != 0)
    fail("INVALID_ARGUMENT", "expected three bytes a pixel, got ", pixels.numel(), " values of ",
         pixels.scalar_type());
  std::vector<uint32_t> sorted(colors.begin(), colors.end());
  std::ranges::sort(sorted);
  const auto* from = pixels.const_data_ptr<uint8_t>();
  at::Tensor classes = empty_page_allocated({pixels.numel() / 3}, at::kByte);
  auto* to = classes.mutable_data_ptr<uint8_t>();
  // Labels are runs of one colour: most pixels are like the one before.
  uint32_t before = no_color;
  uint8_t found = 0;
  for (int64_t i = 0; i < classes.numel(); ++i, from += 3) {
    const uint32_t color = uint32_t{from[0]} << 16 | uint32_t{from[1]} << 8 | from[2];
    if (color != before) {
      const auto at = std::ranges::lower_bound(sorted, color << 8);
      if (at == sorted.end() || *at >> 8 != color) return {};
      found = static_cast<uint8_t>(*at);
      before = color;
    }
    to[i] = found;
  }
  return classes;
}

}  // namespace dinov3_seg
