#include "training/box_loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/error.h"
#include "training/query_matching.h"

namespace dinov3_seg {
namespace {

constexpr double box_class_weight = 2, l1_weight = 5, giou_weight = 2;
constexpr double alpha = 0.25, gamma = 2;

void check(const at::Tensor& logits, const at::Tensor& boxes, const BoxTargets& targets, int64_t repeats) {
  const bool fits = logits.dim() == 4 && boxes.dim() == 4 && boxes.size(3) == 4 &&
                    boxes.sizes().slice(0, 3) == logits.sizes().slice(0, 3);
  const bool targets_fit = targets.boxes.dim() == 3 && targets.boxes.size(2) == 4 &&
                           targets.boxes.size(0) == logits.size(0) &&
                           targets.classes.size() == static_cast<size_t>(logits.size(0));
  if (!fits || !targets_fit)
    fail("SHAPE", "expected class logits B×L×Q×K, boxes B×L×Q×4 and targets B×T×4, got ", logits.sizes(),
         ", ", boxes.sizes(), " and ", targets.boxes.sizes());
  if (repeats < 1 || targets.height < 1 || targets.width < 1)
    fail("INVALID_ARGUMENT", "expected views of at least a pixel and at least one query a box, got ",
         targets.width, "×", targets.height, " and ", repeats);
  for (const auto& classes : targets.classes)
    for (const int64_t each : classes)
      if (each < 0 || each >= logits.size(3) || static_cast<int64_t>(classes.size()) > targets.boxes.size(1))
        fail("LABEL_VALUE", "a box has class ", each, " of ", logits.size(3), ", or there are more than ",
             targets.boxes.size(1));
}

/// x0, y0, x1, y1
at::Tensor corners(const at::Tensor& boxes) {
  const at::Tensor centre = boxes.narrow(-1, 0, 2), half = boxes.narrow(-1, 2, 2) / 2;
  return at::cat({centre - half, centre + half}, -1);
}

at::Tensor area(const at::Tensor& sizes) { return sizes.select(-1, 0) * sizes.select(-1, 1); }

/// Generalised IoU of boxes of broadcast shapes …×4
at::Tensor generalised_iou(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor p = corners(a), q = corners(b);
  const at::Tensor p0 = p.narrow(-1, 0, 2), p1 = p.narrow(-1, 2, 2);
  const at::Tensor q0 = q.narrow(-1, 0, 2), q1 = q.narrow(-1, 2, 2);
  const at::Tensor inner = area((at::minimum(p1, q1) - at::maximum(p0, q0)).clamp_min(0));
  const at::Tensor all = area(p1 - p0) + area(q1 - q0) - inner;
  const at::Tensor hull = area(at::maximum(p1, q1) - at::minimum(p0, q0));
  return inner / all - (hull - all) / hull;
}

/// Sum of the four differences as shares of the view
at::Tensor distance(const at::Tensor& a, const at::Tensor& b, const BoxTargets& targets) {
  const auto height = static_cast<double>(targets.height), width = static_cast<double>(targets.width);
  const at::Tensor size = at::tensor({width, height, width, height}, at::kDouble).to(a.options());
  return ((a - b) / size).abs().sum(-1);
}

/// Focal loss of logits whose truth is 1, and of such whose truth is 0
at::Tensor focal_of_one(const at::Tensor& x) { return alpha * (-x).sigmoid().pow(gamma) * at::softplus(-x); }
at::Tensor focal_of_none(const at::Tensor& x) {
  return (1 - alpha) * x.sigmoid().pow(gamma) * at::softplus(x);
}

/// The views' classes B×T; 0 where a view has fewer boxes.
at::Tensor class_table(const BoxTargets& targets) {
  at::Tensor table = at::zeros({targets.boxes.size(0), targets.boxes.size(1)}, at::kLong);
  auto* out = table.mutable_data_ptr<int64_t>();
  for (const auto& classes : targets.classes) {
    std::copy(classes.begin(), classes.end(), out);
    out += targets.boxes.size(1);
  }
  return table.to(targets.boxes.device(), true);
}

/// B×LQ×T on the device
at::Tensor costs_of(const at::Tensor& logits, const at::Tensor& boxes, const BoxTargets& targets) {
  const at::Tensor x = logits.flatten(1, 2);                      // B×LQ×K
  const at::Tensor found = boxes.flatten(1, 2).unsqueeze(2);      // B×LQ×1×4
  const at::Tensor wanted = targets.boxes.unsqueeze(1);           // B×1×T×4
  const at::Tensor classes = focal_of_one(x) - focal_of_none(x);  // B×LQ×K
  const at::Tensor columns = class_table(targets).unsqueeze(1).expand({-1, x.size(1), -1});
  return box_class_weight * classes.gather(2, columns) + l1_weight * distance(found, wanted, targets) -
         giou_weight * generalised_iou(found, wanted);
}

/// Matched pairs, as numbers: outputs among the B·L·Q·K, queries among the B·L·Q, boxes among the B·T.
struct Pairs {
  std::vector<int64_t> outputs, queries, boxes;
};

Pairs matched_pairs(const at::Tensor& costs, const BoxTargets& targets, at::IntArrayRef sizes,
                    int64_t repeats) {
  const int64_t layers = sizes[1], queries = sizes[2], outputs = sizes[3], most = targets.boxes.size(1);
  std::vector<std::vector<int64_t>> wanted;
  for (const auto& classes : targets.classes) {
    wanted.emplace_back();
    for (int64_t i = 0; i < repeats * static_cast<int64_t>(classes.size()); ++i)
      wanted.back().push_back(i / repeats);
  }
  const auto found =
      match_queries({costs.const_data_ptr<float>(), costs.size(1), most, layers, queries}, wanted);
  Pairs pairs;
  for (size_t i = 0; i < found.size(); ++i) {
    const size_t view = i / static_cast<size_t>(layers);
    for (size_t k = 0; k < found[i].size(); ++k) {
      if (found[i][k] < 0) continue;
      const int64_t query = static_cast<int64_t>(i) * queries + found[i][k], box = wanted[view][k];
      pairs.queries.push_back(query);
      pairs.outputs.push_back(query * outputs + targets.classes[view][static_cast<size_t>(box)]);
      pairs.boxes.push_back(static_cast<int64_t>(view) * most + box);
    }
  }
  return pairs;
}

}  // namespace

BoxLoss box_loss(const at::Tensor& logits, const at::Tensor& boxes, const BoxTargets& targets,
                 int64_t repeats) {
  check(logits, boxes, targets, repeats);
  Pairs pairs;
  {
    const c10::NoGradGuard no_grad;
    const at::Tensor costs = costs_of(logits.detach(), boxes.detach(), targets);
    pairs = matched_pairs(costs.to(at::kCPU, at::kFloat).contiguous(), targets, logits.sizes(), repeats);
  }
  int64_t count = 0;
  for (const auto& classes : targets.classes) count += static_cast<int64_t>(classes.size());
  const auto n = static_cast<double>(std::max<int64_t>(1, repeats * count));
  const auto on_device = [&](const std::vector<int64_t>& numbers) {
    return at::tensor(numbers, at::kLong).to(logits.device(), true);
  };
  const at::Tensor of_one = logits.flatten().index_select(0, on_device(pairs.outputs));
  BoxLoss loss;
  loss.classes = (focal_of_none(logits).sum() + (focal_of_one(of_one) - focal_of_none(of_one)).sum()) / n;
  if (pairs.queries.empty()) {
    loss.l1 = loss.giou = boxes.sum() * 0;
  } else {
    const at::Tensor found = boxes.flatten(0, 2).index_select(0, on_device(pairs.queries));  // M×4
    const at::Tensor wanted = targets.boxes.flatten(0, 1).index_select(0, on_device(pairs.boxes));
    loss.l1 = distance(found, wanted, targets).sum() / n;
    loss.giou = (1 - generalised_iou(found, wanted)).sum() / n;
  }
  loss.total = box_class_weight * loss.classes + l1_weight * loss.l1 + giou_weight * loss.giou;
  return loss;
}

}  // namespace dinov3_seg
