// Values of the kernels' dtypes: in packs of 16 bytes, and widened to what is computed in.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "ops/cuda/network_kernels.h"
#include "ops/op_math_type.h"

namespace dinov3_seg::cuda {

struct Bfloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ double widen(double value) { return value; }
__device__ __forceinline__ float widen(Bfloat16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
__device__ __forceinline__ float widen(Float16 value) { return __half2float(__ushort_as_half(value.bits)); }

template <typename T, typename Real>
__device__ __forceinline__ T narrow(Real value) {
  return static_cast<T>(value);
}
template <>
__device__ __forceinline__ Bfloat16 narrow<Bfloat16, float>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}
template <>
__device__ __forceinline__ Bfloat16 narrow<Bfloat16, double>(double value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(static_cast<float>(value)))};
}
template <>
__device__ __forceinline__ Float16 narrow<Float16, float>(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}
template <>
__device__ __forceinline__ Float16 narrow<Float16, double>(double value) {
  return {__half_as_ushort(__float2half_rn(static_cast<float>(value)))};
}

/// `count` values that are read and written together, 16 bytes at a time.
template <typename T, int count>
struct alignas(sizeof(T) * count < 16 ? sizeof(T) * count : 16) Pack {
  T values[count];
};

/// Values of T in 16 bytes.
template <typename T>
constexpr int pack_of = 16 / static_cast<int>(sizeof(T));

/// In whole words of 16 bytes where a pack has them, by name: nvcc writes some packs value by value. No read
/// is moved before a write: a kernel asks for all it needs first.
template <int count, typename T>
__device__ __forceinline__ Pack<T, count> load_pack(const T* from) {
  Pack<T, count> pack;
  if constexpr (sizeof(pack) % 16 == 0) {
    uint4 words[sizeof(pack) / 16];
#pragma unroll
    for (size_t i = 0; i < sizeof(pack) / 16; ++i) words[i] = reinterpret_cast<const uint4*>(from)[i];
    memcpy(&pack, words, sizeof(pack));
  } else {
    pack = *reinterpret_cast<const Pack<T, count>*>(from);
  }
  return pack;
}
template <int count, typename T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, count>& pack) {
  if constexpr (sizeof(pack) % 16 == 0) {
    uint4 words[sizeof(pack) / 16];
    memcpy(words, &pack, sizeof(pack));
#pragma unroll
    for (size_t i = 0; i < sizeof(pack) / 16; ++i) __stwb(reinterpret_cast<uint4*>(to) + i, words[i]);
  } else if constexpr (sizeof(pack) == 8) {
    uint2 word;
    memcpy(&word, &pack, sizeof(pack));
    *reinterpret_cast<uint2*>(to) = word;
  } else {
    *reinterpret_cast<Pack<T, count>*>(to) = pack;
  }
}

__device__ __forceinline__ float silu(float x) { return x / (1.0F + expf(-x)); }
__device__ __forceinline__ double silu(double x) { return x / (1.0 + exp(-x)); }

/// Values of a kind in 16 bytes.
inline int pack_size(Kind kind) {
  return kind == Kind::float64 ? pack_of<double> : kind == Kind::float32 ? pack_of<float> : pack_of<Bfloat16>;
}

template <typename T>
struct Type {
  using Value = T;
};

/// Calls use(Type<T>{}) with the T of `kind`.
template <typename Use>
void with_kind(Kind kind, Use use) {
  if (kind == Kind::float64)
    use(Type<double>{});
  else if (kind == Kind::bfloat16)
    use(Type<Bfloat16>{});
  else if (kind == Kind::float16)
    use(Type<Float16>{});
  else
    use(Type<float>{});
}
template <typename Use>
void with_narrow_kind(Kind kind, Use use) {
  if (kind == Kind::bfloat16)
    use(Type<Bfloat16>{});
  else if (kind == Kind::float16)
    use(Type<Float16>{});
  else
    use(Type<float>{});
}

/// Whether a kernel is compiled for both dtypes together: the 16-bit ones do not meet (are_together(),
/// tensor_arguments.h).
template <typename A, typename B>
constexpr bool meet = !(std::is_same_v<A, Float16> && std::is_same_v<B, Bfloat16>) &&
                      !(std::is_same_v<A, Bfloat16> && std::is_same_v<B, Float16>);

}  // namespace dinov3_seg::cuda
