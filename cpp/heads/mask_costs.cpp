#include "heads/mask_costs.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/tf32.h"

namespace dinov3_seg {
namespace {

constexpr double mask_weight = 5, dice_weight = 5;
constexpr int64_t ignored_label = 255;
// Pixels of class planes that are held at a time, 64 MB in float32.
constexpr int64_t plane_elements = 16 << 20;

/// The classes that occur.
std::vector<int64_t> classes_in(const at::Tensor& labels, int64_t classes) {
  const at::Tensor values = labels.flatten().to(at::kLong);
  const at::Tensor counts =
      at::zeros({256}, values.options()).scatter_add_(0, values, at::ones_like(values)).to(at::kCPU);
  const auto count = counts.accessor<int64_t, 1>();
  std::vector<int64_t> present;
  for (int64_t value = 0; value < ignored_label; ++value) {
    if (count[value] == 0) continue;
    if (value >= classes)
      fail("LABEL_VALUE", "labels contain ", value, ", which is neither a class (0 to ", classes - 1,
           ") nor 255 (ignored)");
    present.push_back(value);
  }
  return present;
}

/// Share of the pixels of each cell for which `planes` T×H×W is true: T×hw.
at::Tensor shares(const at::Tensor& planes, int64_t h, int64_t w) {
  return at::adaptive_avg_pool2d(planes.to(at::kFloat).unsqueeze(0), {h, w}).squeeze(0).flatten(1);
}

at::Tensor class_shares(const at::Tensor& labels, const std::vector<int64_t>& classes, int64_t h, int64_t w) {
  const auto count = static_cast<int64_t>(classes.size());
  const int64_t some = std::max<int64_t>(1, plane_elements / labels.numel());
  const at::Tensor ids = at::tensor(classes).to(labels.device()).view({count, 1, 1});
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < count; first += some)
    parts.push_back(shares(labels.unsqueeze(0).eq(ids.slice(0, first, first + some)), h, w));
  return at::cat(parts);
}

}  // namespace

MaskCosts mask_costs(const at::Tensor& logits, const at::Tensor& labels, int64_t classes) {
  MaskCosts result{classes_in(labels, classes), {}};
  if (result.classes.empty()) return result;
  const int64_t h = logits.size(1), w = logits.size(2);
  const at::Tensor counted = shares(labels.ne(ignored_label).unsqueeze(0), h, w);                // 1×hw
  const at::Tensor is_left = counted.gt(0).to(at::kFloat);                                       // 1×hw
  const at::Tensor share = class_shares(labels, result.classes, h, w);                           // T×hw
  const at::Tensor targets = at::where(counted.gt(0), share / counted, 0.0).t().contiguous();    // hw×T
  const at::Tensor x = logits.flatten(1) * is_left;                                              // Q×hw
  const at::Tensor p = logits.flatten(1).sigmoid() * is_left;                                    // Q×hw
  const at::Tensor softplus = (at::softplus(logits.flatten(1)) * is_left).sum(1, true);          // Q×1
  const at::Tensor mask = (softplus - mm_float32(x, targets)) / is_left.sum();                   // Q×T
  const at::Tensor overlap = 2 * mm_float32(p, targets) + 1;                                     // Q×T
  const at::Tensor dice = 1 - overlap / (p.sum(1, true) + targets.sum(0, true) + 1);             // Q×T
  const at::Tensor costs = (mask_weight * mask + dice_weight * dice).to(at::kCPU).contiguous();  // Q×T
  const auto* data = costs.const_data_ptr<float>();
  result.costs.assign(data, data + costs.numel());
  return result;
}

}  // namespace dinov3_seg
