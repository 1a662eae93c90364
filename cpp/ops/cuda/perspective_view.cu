// A pixel of a perspective view a thread: what a warp reads of the panorama lies close together.
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg::cuda {
namespace {

constexpr int tile_width = 32, tile_height = 8;

__global__ void __launch_bounds__(tile_width* tile_height) view_kernel(ViewArguments in) {
  const int x = static_cast<int>(blockIdx.x) * tile_width + static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(blockIdx.y) * tile_height + static_cast<int>(threadIdx.y);
  if (x >= in.view.width || y >= in.view.height) return;
  const float step = 1.0F / static_cast<float>(in.samples);
  float sums[3] = {};
  for (int t = 0; t < in.samples; ++t)
    for (int s = 0; s < in.samples; ++s) {
      const PanoramaPlace place =
          panorama_place(in.view, static_cast<float>(x) + (static_cast<float>(s) + 0.5F) * step,
                         static_cast<float>(y) + (static_cast<float>(t) + 0.5F) * step);
      const uint8_t* top = in.panorama + place.top * in.row;
      const uint8_t* bottom = in.panorama + place.bottom * in.row;
      const int64_t left = place.left * in.column, right = place.right * in.column;
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        const int64_t channel = c * in.channel;
        const float top_left = top[left + channel], bottom_left = bottom[left + channel];
        const float above = top_left + place.across * (static_cast<float>(top[right + channel]) - top_left);
        const float below =
            bottom_left + place.across * (static_cast<float>(bottom[right + channel]) - bottom_left);
        sums[c] += above + place.down * (below - above);
      }
    }
  uint8_t* to = in.pixels + (static_cast<int64_t>(y) * in.view.width + x) * 3;
#pragma unroll
  for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(fminf(sums[c] * (step * step) + 0.5F, 255.0F));
}

}  // namespace

void perspective_view(const ViewArguments& in, cudaStream_t stream) {
  const dim3 blocks((in.view.width + tile_width - 1) / tile_width,
                    (in.view.height + tile_height - 1) / tile_height);
  view_kernel<<<blocks, dim3(tile_width, tile_height), 0, stream>>>(in);
}

}  // namespace dinov3_seg::cuda
