// perspective_view on the CPU: a task takes some rows of the view.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>

#include "ops/network_checks.h"
#include "ops/panorama_place.h"
#include "ops/perspective_view.h"

namespace dinov3_seg {
namespace {

/// Adds what the panorama has at a place to three sums.
inline void add_place(const uint8_t* panorama, int64_t row, const PanoramaPlace& place, float* sums) {
  const uint8_t* top = panorama + place.top * row;
  const uint8_t* bottom = panorama + place.bottom * row;
  for (int c = 0; c < 3; ++c) {
    const auto at = [c](const uint8_t* line, int column) { return static_cast<float>(line[3 * column + c]); };
    const float above = at(top, place.left) + place.across * (at(top, place.right) - at(top, place.left));
    const float below =
        at(bottom, place.left) + place.across * (at(bottom, place.right) - at(bottom, place.left));
    sums[c] += above + place.down * (below - above);
  }
}

at::Tensor perspective_view_cpu(const at::Tensor& given, at::ArrayRef<double> rotation, double focal,
                                int64_t height, int64_t width, int64_t samples) {
  const ViewGeometry view = check_view(given, rotation, focal, height, width, samples);
  const at::Tensor panorama = given.contiguous();
  const at::Tensor out = at::empty({height, width, 3}, panorama.options());
  const auto* from = panorama.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  const int64_t row = 3 * panorama.size(1);
  const float step = 1.0F / static_cast<float>(samples);
  const float share = step * step;
  at::parallel_for(0, height, 8, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y)
      for (int64_t x = 0; x < width; ++x) {
        float sums[3] = {};
        for (int64_t t = 0; t < samples; ++t)
          for (int64_t s = 0; s < samples; ++s)
            add_place(from, row,
                      panorama_place(view, static_cast<float>(x) + (static_cast<float>(s) + 0.5F) * step,
                                     static_cast<float>(y) + (static_cast<float>(t) + 0.5F) * step),
                      sums);
        for (int64_t c = 0; c < 3; ++c)
          to[(y * width + x) * 3 + c] = static_cast<uint8_t>(std::min(sums[c] * share + 0.5F, 255.0F));
      }
  });
  return out;
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("perspective_view", perspective_view_cpu); }

}  // namespace
}  // namespace dinov3_seg
