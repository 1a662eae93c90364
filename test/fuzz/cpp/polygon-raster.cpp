// Labels from polygons with any coordinates, on small canvases.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>

#include <ATen/ATen.h>

#include "core/polygon_raster.h"
#include "fuzz_target.h"

using namespace dinov3_seg;

namespace {

/// Near the canvas, anywhere, or any bits at all: NaN and infinity too.
double coordinate(FuzzedDataProvider& input) {
  switch (input.ConsumeIntegral<std::uint8_t>() & 3) {
    case 0:
      return input.ConsumeIntegral<std::int8_t>();
    case 1:
      return input.ConsumeIntegral<std::int16_t>() / 8.0;
    case 2:
      return input.ConsumeFloatingPointInRange<double>(-1.1 * most_coordinate, 1.1 * most_coordinate);
    default:
      return std::bit_cast<double>(input.ConsumeIntegral<std::uint64_t>());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const LabelCanvas canvas{input.ConsumeIntegralInRange<std::int64_t>(0, 70),
                           input.ConsumeIntegralInRange<std::int64_t>(0, 70), 255,
                           input.ConsumeIntegralInRange<std::int64_t>(-1, 3)};
  Polygons polygons;
  while (input.remaining_bytes() > 0) {
    const auto corners = input.ConsumeIntegralInRange<std::int64_t>(0, 12);
    for (std::int64_t i = 0; i < 2 * corners; ++i) polygons.points.push_back(coordinate(input));
    polygons.counts.push_back(corners);
    polygons.values.push_back(static_cast<std::uint8_t>(polygons.values.size() % 250));
  }
  if (input.ConsumeBool() && !polygons.counts.empty()) polygons.counts.back() += 1;
  fuzz::read_or_refuse([&] {
    const at::Tensor label = fill_polygons(polygons, canvas);
    const auto* row = label.const_data_ptr<std::uint8_t>();
    for (std::int64_t y = 0; y < canvas.height; ++y, row += canvas.margin + canvas.width)
      if (std::any_of(row, row + canvas.margin, [](std::uint8_t value) { return value != 0; }))
        fuzz::finding("a margin that was painted on");
  });
  return 0;
}
