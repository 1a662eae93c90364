#include "core/confusion.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {

at::Tensor confusion_matrix(const at::Tensor& prediction, const at::Tensor& labels, int64_t classes) {
  if (prediction.sizes() != labels.sizes() || prediction.scalar_type() != at::kByte ||
      labels.scalar_type() != at::kByte)
    fail("SHAPE", "expected two uint8 maps of equal shape, got prediction ", prediction.sizes(), " ",
         prediction.scalar_type(), " and labels ", labels.sizes(), " ", labels.scalar_type());
  if (classes < 1 || classes > 255) fail("INVALID_ARGUMENT", "classes must be 1 to 255, got ", classes);
  // A 256×256 histogram of (truth, prediction) pairs: no mask to build, and values outside the classes show
  // up.
  const at::Tensor pairs = labels.to(prediction.device(), at::kLong).mul_(256).add_(prediction).flatten();
  const at::Tensor counts = at::bincount(pairs, {}, 256 * 256).view({256, 256}).cpu();
  const at::Tensor known = counts.slice(0, 0, classes).slice(1, 0, classes).contiguous();
  const int64_t foreign_labels = counts.slice(0, classes, 255).sum().item<int64_t>();
  if (foreign_labels > 0)
    fail("LABEL_VALUE", foreign_labels, " pixels have a label that is neither one of the ", classes,
         " classes nor 255");
  const int64_t foreign = counts.slice(0, 0, classes).sum().item<int64_t>() - known.sum().item<int64_t>();
  if (foreign > 0)
    fail("LABEL_VALUE", foreign, " pixels are predicted as a class outside the ", classes, " given");
  return known;
}

}  // namespace dinov3_seg
