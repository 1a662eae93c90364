#include "models/random_values.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/job_control.h"
#include "core/page_allocator.h"

namespace dinov3_seg {
namespace {

// Elements between two looks at the job's flag; a step's temporaries are of 128 MiB each.
constexpr int64_t step_size = int64_t{1} << 24;

constexpr int64_t as_signed(uint64_t bits) { return static_cast<int64_t>(bits); }

/// x ^ (x >> bits) with zeros shifted in; int64's own shift repeats the sign.
void xor_shifted(at::Tensor& x, int64_t bits) {
  x.bitwise_xor_(x.bitwise_right_shift(bits).bitwise_and_((int64_t{1} << (64 - bits)) - 1));
}

/// The same as fill_random, with integers that wrap around.
void fill_by_operators(const at::Tensor& out, int64_t first, const RandomRule& rule) {
  at::Tensor x = at::arange(first, first + out.numel(), out.options().dtype(at::kLong));
  x.mul_(as_signed(0x9e3779b97f4a7c15)).add_(as_signed(rule.start));
  xor_shifted(x, 30);
  x.mul_(as_signed(0xbf58476d1ce4e5b9));
  xor_shifted(x, 27);
  x.mul_(as_signed(0x94d049bb133111eb));
  xor_shifted(x, 31);
  x.bitwise_right_shift_(40).bitwise_and_((int64_t{1} << 24) - 1);
  at::Tensor value = x.to(at::kDouble);
  // An operator each: one that did both might round once.
  value.div_(8388608.0).sub_(1.0).mul_(rule.scale).add_(rule.base);
  out.copy_(value);
}

}  // namespace

at::Tensor random_tensor(at::IntArrayRef shape, const RandomRule& rule, c10::Device device, RandomPath path) {
  const bool loop = device.is_cpu() && path == RandomPath::by_device;
  const at::Tensor tensor = device.is_cpu()
                                ? empty_page_allocated(shape, at::kFloat)
                                : at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(device));
  const at::Tensor flat = tensor.view({-1});
  for (int64_t first = 0; first < flat.numel(); first += step_size) {
    check_cancelled();
    const int64_t size = std::min(step_size, flat.numel() - first);
    if (loop)
      fill_random(flat.mutable_data_ptr<float>() + first, first, size, rule);
    else
      fill_by_operators(flat.narrow(0, first, size), first, rule);
  }
  return tensor;
}

}  // namespace dinov3_seg
