#include "core/finite_watch.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

namespace dinov3_seg {
namespace {

std::vector<at::Tensor> defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::vector{tensor} : std::vector<at::Tensor>();
}

}  // namespace

at::Tensor finite_marks(at::ArrayRef<at::Tensor> tensors) {
  at::Tensor sums;  // B
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined() || !tensor.is_floating_point()) continue;
    std::vector<int64_t> inner(static_cast<size_t>(tensor.dim() - 1));
    std::iota(inner.begin(), inner.end(), 1);
    const at::Tensor sum = inner.empty() ? tensor.to(at::kFloat) : tensor.sum(inner, false, at::kFloat);
    sums = sums.defined() ? sums + sum.to(sums.device()) : sum;
  }
  // Of a finite sum 0; infinities of both signs have added up to NaN already.
  return sums.defined() ? sums - sums : sums;
}

NotFinite::NotFinite(int64_t image)
    : Error("MODEL_VALUES",
            c10::str("The network gave NaN or infinite values for image ", image + 1, " of its pass")),
      image_(image) {}

void NotFinite::tell(const std::string& path, const std::vector<std::string>& names) const {
  const auto place = static_cast<size_t>(image_);
  const bool is_named = place < names.size() && !names[place].empty();
  fail("MODEL_VALUES", "The network ", path, " or its head gave NaN or infinite values for ",
       is_named ? names[place] : c10::str("image ", image_ + 1, " of the pass"),
       ", from which nothing can be read. If its weights are damaged, convert the checkpoints again: that "
       "checks "
       "them. If the precision is too narrow for them, choose precision reference and dtype float32 "
       "(--precision "
       "reference --dtype float32).");
}

FiniteWatch::FiniteWatch(const at::Tensor& marks) : copies_(defined(marks)) {}

void FiniteWatch::require() const {
  if (copies_.tensors().empty()) return;
  copies_.wait();
  const at::Tensor marks = copies_.tensors().front().contiguous();
  const auto* values = marks.const_data_ptr<float>();
  for (int64_t image = 0; image < marks.numel(); ++image)
    if (std::isnan(values[image])) throw NotFinite(image);
}

}  // namespace dinov3_seg
