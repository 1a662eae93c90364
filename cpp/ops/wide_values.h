// Values as CPU kernels compute with them, and back: plain functions that compilers make vectors of.
#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

#include "ops/simd.h"

namespace dinov3_seg {

DINOV3_SEG_INLINE float widened(float value) { return value; }
DINOV3_SEG_INLINE double widened(double value) { return value; }
DINOV3_SEG_INLINE float widened(c10::BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.x) << 16);
}

DINOV3_SEG_INLINE void narrow(float value, float& to) { to = value; }
DINOV3_SEG_INLINE void narrow(double value, double& to) { to = value; }
/// To the nearest, ties to even, as c10's conversion: without its branch for what is no number.
DINOV3_SEG_INLINE void narrow(float value, c10::BFloat16& to) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to.x = static_cast<uint16_t>(value == value ? rounded : 0x7fc0);
}

}  // namespace dinov3_seg
