// The loop of random_values.h, apart since it is compiled with OpenMP.
#include <ATen/Parallel.h>

#include "models/random_values.h"

namespace dinov3_seg {
namespace {

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014).
inline uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace

uint64_t random_start(std::string_view name, uint64_t seed) { return mix(fnv1a(name) ^ mix(seed)); }

void fill_random(float* out, int64_t first, int64_t size, const RandomRule& rule) {
  at::parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t counter = static_cast<uint64_t>(first + i) * 0x9e3779b97f4a7c15;
      const uint64_t bits = mix(rule.start + counter) >> 40;  // 24 bits
      // The bits fit an int, for which there is a vector instruction.
      const double value = static_cast<double>(static_cast<int32_t>(bits)) / 8388608.0 - 1.0;
      out[i] = static_cast<float>(rule.base + rule.scale * value);
    }
  });
}

}  // namespace dinov3_seg
