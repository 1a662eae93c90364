// Vectors of floats as the compiler's own types, and what score loss needs of them. Everything here is
// inlined by force into functions that name the instructions they use (DINOV3_SEG_VARIANTS): the binary runs
// on any x86-64.
#pragma once

#include <cstdint>
#include <cstring>

#define DINOV3_SEG_INLINE inline __attribute__((always_inline))

namespace dinov3_seg::simd {

template <int count>
struct Vector;
template <>
struct Vector<4> {
  using Floats = float __attribute__((vector_size(16)));
  using Ints = int32_t __attribute__((vector_size(16)));
};
template <>
struct Vector<8> {
  using Floats = float __attribute__((vector_size(32)));
  using Ints = int32_t __attribute__((vector_size(32)));
};
template <>
struct Vector<16> {
  using Floats = float __attribute__((vector_size(64)));
  using Ints = int32_t __attribute__((vector_size(64)));
};

template <int count>
using Floats = typename Vector<count>::Floats;
template <int count>
using Ints = typename Vector<count>::Ints;

/// The widest vector, in floats: tables are padded to a multiple of it.
constexpr int64_t most_lanes = 16;

template <int count>
DINOV3_SEG_INLINE Floats<count> load(const float* from) {
  Floats<count> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <int count>
DINOV3_SEG_INLINE void store(float* to, Floats<count> value) {
  std::memcpy(to, &value, sizeof value);
}

template <int count>
DINOV3_SEG_INLINE Floats<count> all(float value) {
  return Floats<count>{} + value;
}

template <int count>
DINOV3_SEG_INLINE Floats<count> larger(Floats<count> a, Floats<count> b) {
  return a > b ? a : b;
}

template <int count>
DINOV3_SEG_INLINE Ints<count> bits_of(Floats<count> value) {
  return reinterpret_cast<Ints<count>>(value);
}

template <int count>
DINOV3_SEG_INLINE Floats<count> floats_of(Ints<count> bits) {
  return reinterpret_cast<Floats<count>>(bits);
}

/// 2^x for x ≤ 0, 1e-8 off before rounding, at least 2^−126; NaN stays NaN. Interpolates 2^f at Chebyshev
/// nodes of ±0.5.
template <int count>
DINOV3_SEG_INLINE Floats<count> exp2_below_zero(Floats<count> x) {
  using F = Floats<count>;
  // Adding 1.5·2^23 leaves the nearest whole number in the low bits.
  const F magic = all<count>(12582912.0F);
  x = x < -126.0F ? all<count>(-126.0F) : x;
  const F shifted = x + magic;
  const F f = x - (shifted - magic);
  F y = all<count>(0.0001546144469646172F);
  y = y * f + 0.0013400428177419153F;
  y = y * f + 0.00961805667852609F;
  y = y * f + 0.05550327226670944F;
  y = y * f + 0.24022650922288827F;
  y = y * f + 0.6931472067028321F;
  y = y * f + 1.0F;
  return floats_of<count>(bits_of<count>(y) + (bits_of<count>(shifted) << 23));
}

/// ln x of a normal x > 0: the polynomial of Cephes (S. Moshier, logf).
template <int count>
DINOV3_SEG_INLINE Floats<count> log_of(Floats<count> x) {
  using F = Floats<count>;
  using I = Ints<count>;
  const I bits = bits_of<count>(x);
  const I exponent = (bits - 0x3f3504f3) >> 23;  // of x / √½, so that the rest is √½ … √2
  const F f = floats_of<count>(bits - (exponent << 23)) - 1.0F;
  const F e = __builtin_convertvector(exponent, F);
  F y = all<count>(7.0376836292e-2F);
  y = y * f - 1.1514610310e-1F;
  y = y * f + 1.1676998740e-1F;
  y = y * f - 1.2420140846e-1F;
  y = y * f + 1.4249322787e-1F;
  y = y * f - 1.6668057665e-1F;
  y = y * f + 2.0000714765e-1F;
  y = y * f - 2.4999993993e-1F;
  y = y * f + 3.3333331174e-1F;
  const F square = f * f;
  return e * 0.6931471805599453F + (f + (y * f * square - square * 0.5F));
}

}  // namespace dinov3_seg::simd
