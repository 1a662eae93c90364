#include "models/value_checks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "models/key_shapes.h"

namespace dinov3_seg {
namespace {

constexpr int64_t block_elements = int64_t{1} << 22;

/// A value is not finite if all bits of its exponent are set.
template <typename Bits>
int64_t count_in(const Bits* values, int64_t count, Bits exponent) {
  std::atomic<int64_t> found{0};
  for (int64_t begin = 0; begin < count; begin += block_elements) {
    check_cancelled();
    at::parallel_for(begin, std::min(count, begin + block_elements), 1 << 16, [&](int64_t from, int64_t to) {
      int64_t here = 0;
      for (int64_t i = from; i < to; ++i) here += (values[i] & exponent) == exponent;
      found += here;
    });
  }
  return found;
}

}  // namespace

int64_t count_not_finite(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  const void* data = dense.const_data_ptr();
  switch (dense.scalar_type()) {
    case at::kDouble:
      return count_in(static_cast<const uint64_t*>(data), dense.numel(), uint64_t{0x7ff} << 52);
    case at::kFloat:
      return count_in(static_cast<const uint32_t*>(data), dense.numel(), uint32_t{0xff} << 23);
    case at::kHalf:
      return count_in(static_cast<const uint16_t*>(data), dense.numel(), uint16_t{0x7c00});
    case at::kBFloat16:
      return count_in(static_cast<const uint16_t*>(data), dense.numel(), uint16_t{0x7f80});
    default:
      fail("INTERNAL", "the values of a ", dtype_name(dense.scalar_type()), " tensor are not checked");
  }
}

void ValueChecks::look_at(const std::string& key, const at::Tensor& given, const at::Tensor& stored) {
  if (const int64_t count = count_not_finite(given)) {
    not_finite_.push_back({key, count, given.numel()});
    return;
  }
  if (stored.scalar_type() == given.scalar_type()) return;
  if (const int64_t count = count_not_finite(stored)) {
    too_large_.push_back({key, count, given.numel()});
    dtype_ = dtype_name(stored.scalar_type());
  }
}

void ValueChecks::check(const std::string& what, const std::map<std::string, std::string>& origins) const {
  const auto list = [&](const char* title, const std::vector<Finding>& findings) {
    std::vector<std::string> lines;
    for (const auto& [key, count, of] : findings) {
      const auto origin = origins.find(key);
      lines.push_back(
          c10::str(origin == origins.end() ? key : origin->second, ": ", count, " of ", of, " values"));
    }
    return key_list_text(title, lines);
  };
  if (!not_finite_.empty())
    fail("CHECKPOINT_VALUES", "Some weights of ", what, " are no finite numbers.",
         list("NaN or infinite", not_finite_),
         "\nNothing was written. Copy or download the file again, or use an earlier checkpoint of the "
         "training.");
  if (!too_large_.empty())
    fail("CHECKPOINT_VALUES", "Some weights of ", what, " are too large for ", dtype_, ".",
         list("Infinite after rounding", too_large_), "\nNothing was written. Convert with dtype float32.");
}

}  // namespace dinov3_seg
