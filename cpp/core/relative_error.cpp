#include "core/relative_error.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {

at::Tensor relative_errors(const at::Tensor& expected, const at::Tensor& actual) {
  if (expected.sizes() != actual.sizes() || expected.dim() < 1 || !expected.is_floating_point() ||
      !actual.is_floating_point())
    fail("SHAPE", "expected two floating tensors of equal shape with at least one dimension, got ",
         expected.sizes(), " ", expected.scalar_type(), " and ", actual.sizes(), " ", actual.scalar_type());
  const auto norms = [](const at::Tensor& items) {  // B
    return at::linalg_vector_norm(items, 2, at::IntArrayRef{1}, false, at::kDouble);
  };
  const int64_t count = expected.size(0);
  const at::Tensor truth = expected.reshape({count, -1}).to(at::kDouble);
  const at::Tensor errors = norms(actual.reshape({count, -1}).to(truth.device(), at::kDouble).sub_(truth));
  return at::where(errors == 0, errors, errors / norms(truth)).cpu();
}

}  // namespace dinov3_seg
