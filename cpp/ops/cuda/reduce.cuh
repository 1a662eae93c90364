// Sums over threads, in an order that depends on nothing.
#pragma once

namespace dinov3_seg::cuda {

constexpr unsigned whole_warp = 0xffffffffU;

__device__ __forceinline__ double warp_sum(double value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(whole_warp, value, offset);
  return value;
}

/// Sum of the block's values, in thread 0. `parts` is shared: a double for each warp.
__device__ __forceinline__ double block_sum(double value, double* parts) {
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0)
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) sum += parts[warp];
  return sum;
}

/// Sum over the block, in every thread; always in the same order. `parts` is shared: a value for each warp.
template <typename Real>
__device__ __forceinline__ Real block_total(Real value, Real* parts) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(whole_warp, value, offset);
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  Real sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) sum += parts[warp];
  return sum;
}

/// The largest of the block's values, none of them negative, in every thread; NaN counts for nothing. `parts`
/// as in block_total().
__device__ __forceinline__ float block_most(float value, float* parts) {
  for (int offset = 16; offset > 0; offset /= 2)
    value = fmaxf(value, __shfl_xor_sync(whole_warp, value, offset));
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  float most = 0;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) most = fmaxf(most, parts[warp]);
  return most;
}

}  // namespace dinov3_seg::cuda
