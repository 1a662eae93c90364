// Pixels to network input: a pass along the rows and one down the columns, which normalises. The weights are
// those of libtorch's antialiased bilinear resize: a triangle as wide as a target pixel, at least one pixel.
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256;

/// The source values that a target position is mixed from.
struct Span {
  int first, count;
  float start, step;  // argument of the triangle at the first value, and from one to the next
};

__device__ __forceinline__ Span span_of(int position, int size, int target) {
  const float scale = static_cast<float>(size) / static_cast<float>(target);
  const float support = scale >= 1 ? scale : 1;
  const float centre = scale * (static_cast<float>(position) + 0.5F);
  const int begin = static_cast<int>(centre - support + 0.5F),
            end = static_cast<int>(centre + support + 0.5F);
  const int first = begin > 0 ? begin : 0;
  const float step = scale >= 1 ? 1 / scale : 1;
  return {first, (end < size ? end : size) - first, (static_cast<float>(first) - centre + 0.5F) * step, step};
}

__device__ __forceinline__ float weight_of(const Span& span, int index) {
  const float x = fabsf(span.start + static_cast<float>(index) * span.step);
  return x < 1 ? 1 - x : 0;
}

/// rows[3][source height][width], 0…1.
__global__ void __launch_bounds__(threads) rows_kernel(PixelsArguments in) {
  const int64_t size = static_cast<int64_t>(in.source_height) * in.width;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index >= size) return;
  const Span span = span_of(static_cast<int>(index % in.width), in.source_width, in.width);
  const uint8_t* from = in.pixels + index / in.width * in.row + span.first * in.column;
  float sums[3] = {}, total = 0;
  for (int i = 0; i < span.count; ++i, from += in.column) {
    const float weight = weight_of(span, i);
    total += weight;
#pragma unroll
    for (int c = 0; c < 3; ++c) sums[c] += weight * static_cast<float>(from[c * in.channel]);
  }
#pragma unroll
  for (int c = 0; c < 3; ++c) in.rows[c * size + index] = sums[c] / (total * 255.0F);
}

__global__ void __launch_bounds__(threads) columns_kernel(PixelsArguments in) {
  const int64_t size = static_cast<int64_t>(in.height) * in.width;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (index >= size) return;
  const int64_t plane = static_cast<int64_t>(in.source_height) * in.width;
  const Span span = span_of(static_cast<int>(index / in.width), in.source_height, in.height);
  const float* from = in.rows + static_cast<int64_t>(span.first) * in.width + index % in.width;
  float sums[3] = {}, total = 0;
  for (int i = 0; i < span.count; ++i, from += in.width) {
    const float weight = weight_of(span, i);
    total += weight;
#pragma unroll
    for (int c = 0; c < 3; ++c) sums[c] += weight * from[c * plane];
  }
#pragma unroll
  for (int c = 0; c < 3; ++c) in.prepared[c * size + index] = (sums[c] / total - in.mean[c]) / in.std[c];
}

int64_t blocks_of(int64_t height, int64_t width) { return (height * width + threads - 1) / threads; }

}  // namespace

int64_t pixels_blocks(const PixelsArguments& in) {
  return blocks_of(in.height > in.source_height ? in.height : in.source_height, in.width);
}

void prepare_pixels(const PixelsArguments& in, cudaStream_t stream) {
  const auto rows = static_cast<unsigned>(blocks_of(in.source_height, in.width));
  const auto columns = static_cast<unsigned>(blocks_of(in.height, in.width));
  rows_kernel<<<rows, threads, 0, stream>>>(in);
  columns_kernel<<<columns, threads, 0, stream>>>(in);
}

}  // namespace dinov3_seg::cuda
