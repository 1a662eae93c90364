// Random numbers that depend on nothing but a start and their place: the same on every machine and device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace dinov3_seg {

/// `base + scale·v`, v uniform in [-1, 1) in steps of 2^-23: computed in float64, rounded to float32.
struct RandomRule {
  double base = 0.0;
  double scale = 0.0;
  uint64_t start = 0;  ///< of the sequence, see random_start
};

/// Where the sequence of a name and seed begins.
uint64_t random_start(std::string_view name, uint64_t seed);

/// `size` numbers of the rule, beginning with its element `first`. Uses all threads.
void fill_random(float* out, int64_t first, int64_t size, const RandomRule& rule);

/// How random_tensor computes: on the CPU by a loop of ours, on other devices by libtorch's operators on
/// integers. Both give the same bits; `operators` is for tests.
enum class RandomPath { by_device, operators };

/// float32 values of the rule on a device, in row-major order. Takes four times the memory of 16 million
/// float64 besides the result.
at::Tensor random_tensor(at::IntArrayRef shape, const RandomRule& rule, c10::Device device,
                         RandomPath path = RandomPath::by_device);

}  // namespace dinov3_seg
