// Values in e4m3 with a scale for each row, as quantize_rows() of quantized_ops.h defines them.
#pragma once

#include <cuda_fp8.h>

#include "ops/cuda/reduce.cuh"
#include "ops/cuda/values.cuh"

namespace dinov3_seg::cuda {

struct Float8 {
  uint8_t bits;
};

/// Values that a thread quantises together.
constexpr int quantized_pack = 8;

/// To the nearest, ties to even; 448 beyond it.
template <>
__device__ __forceinline__ Float8 narrow<Float8, float>(float value) {
  return {__nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3)};
}

/// Of a row's largest magnitude.
__device__ __forceinline__ float row_scale(float most) { return fmaxf(most * (1.0F / 448.0F), 0x1p-126F); }

template <int count>
__device__ __forceinline__ float largest_magnitude(float most, const Pack<float, count>& pack) {
#pragma unroll
  for (int i = 0; i < count; ++i) most = fmaxf(most, fabsf(pack.values[i]));
  return most;
}

/// Values times the inverse of their row's scale.
__device__ __forceinline__ Pack<Float8, quantized_pack> quantized(const Pack<float, quantized_pack>& pack,
                                                                  float inverse) {
  Pack<Float8, quantized_pack> out;
#pragma unroll
  for (int i = 0; i < quantized_pack; i += 2) {
    const float2 pair = make_float2(pack.values[i] * inverse, pack.values[i + 1] * inverse);
    const __nv_fp8x2_storage_t both = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
    out.values[i].bits = static_cast<uint8_t>(both & 0xffU);
    out.values[i + 1].bits = static_cast<uint8_t>(both >> 8);
  }
  return out;
}

/// Writes a row that the block holds in registers, `packs` packs a thread, `step` values apart from `first`
/// on, and its scale. `most`: the largest magnitude of the thread's own values; `parts` as in block_total().
template <int packs>
__device__ __forceinline__ void store_quantized(const Pack<float, quantized_pack> (&held)[packs], float most,
                                                int first, int step, int64_t columns, Float8* row,
                                                float* scale, float* parts) {
  const float own = row_scale(block_most(most, parts));
  const float inverse = 1.0F / own;
  if (threadIdx.x == 0) *scale = own;
#pragma unroll
  for (int k = 0; k < packs; ++k)
    if (first + k * step < columns) store_pack(row + first + k * step, quantized(held[k], inverse));
}

}  // namespace dinov3_seg::cuda
