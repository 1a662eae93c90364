#include "core/class_embed.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "core/dense_scores.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

TrainedParameter make_parameter(const at::Tensor& value, c10::Device device) {
  const at::Tensor copy = value.to(device, at::kFloat, false, true).contiguous();
  return {copy, at::zeros_like(copy), at::zeros_like(copy), at::zeros_like(copy)};
}

at::Tensor xavier_uniform(int64_t hidden, int64_t classes, uint64_t seed) {
  if (hidden < 1 || classes < 1)
    fail("INVALID_ARGUMENT", "a head needs at least one input and one class, got ", hidden, " and ", classes);
  const double bound = std::sqrt(6.0 / static_cast<double>(hidden + classes));
  return at::empty({classes, hidden}, at::kFloat)
      .uniform_(-bound, bound, at::detail::createCPUGenerator(seed));
}

void check_labels(const at::Tensor& masks, const at::Tensor& labels) {
  if (labels.dim() != 3 || labels.scalar_type() != at::kByte || labels.size(0) != masks.size(0))
    fail("SHAPE", "expected labels B×H×W uint8 with B = ", masks.size(0), ", got ", labels.sizes(), " ",
         labels.scalar_type());
}

/// Everything between logits and loss that the gradient needs again.
struct Forward {
  at::Tensor classes;         // B×Q×K softmax
  at::Tensor masks;           // B×Q×hw sigmoid
  at::Tensor log_probs;       // B×K×H×W
  at::Tensor targets;         // B×H×W int64
  at::Tensor counted;         // number of counted pixels
  std::vector<int64_t> grid;  // B, K, h, w
  LossResult result;
};

Forward cross_entropy(const at::Tensor& logits, const at::Tensor& masks, const at::Tensor& labels) {
  check_decoded(logits, masks);
  check_labels(masks, labels);
  const int64_t batch = masks.size(0), h = masks.size(2), w = masks.size(3), classes = logits.size(2);
  Forward f;
  f.classes = at::softmax(logits, -1);
  f.masks = masks.to(at::kFloat).sigmoid().flatten(2);  // B×Q×hw
  f.grid = {batch, classes, h, w};
  const at::Tensor scores = at::bmm(f.classes.transpose(1, 2), f.masks).view(f.grid);
  const at::Tensor resized = at::upsample_bilinear2d(scores, {labels.size(1), labels.size(2)}, false);
  f.log_probs = at::log_softmax(resized, 1);
  f.targets = labels.to(masks.device(), at::kLong);
  at::Tensor loss;
  std::tie(loss, f.counted) = at::nll_loss2d_forward(f.log_probs, f.targets, {}, at::Reduction::Mean, 255);
  f.result.pixels = static_cast<int64_t>(f.counted.item<double>());
  // The mean over no pixels is NaN in libtorch; such an image teaches nothing and counts nothing.
  f.result.loss = f.result.pixels > 0 ? loss.item<double>() : 0.0;
  return f;
}

/// d loss / d logits, B×Q×K, times `scale`.
at::Tensor cross_entropy_backward(const Forward& f, double scale) {
  const at::Tensor upstream = at::full({}, scale, f.log_probs.options());
  const at::Tensor d_log_probs =
      at::nll_loss2d_backward(upstream, f.log_probs, f.targets, {}, at::Reduction::Mean, 255, f.counted);
  const at::Tensor d_resized = at::_log_softmax_backward_data(d_log_probs, f.log_probs, 1, at::kFloat);
  const at::Tensor d_scores =
      at::upsample_bilinear2d_backward(d_resized, {f.targets.size(1), f.targets.size(2)}, f.grid, false);
  const at::Tensor d_classes = at::bmm(f.masks, d_scores.flatten(2).transpose(1, 2));  // B×Q×K
  return at::_softmax_backward_data(d_classes, f.classes, -1, at::kFloat);
}

}  // namespace

Precision parse_precision(const std::string& name) {
  if (name == "bfloat16") return Precision::bfloat16;
  if (name == "float32") return Precision::float32;
  fail("INVALID_ARGUMENT", "unknown precision '", name, "': expected bfloat16 or float32");
}

ClassEmbed::ClassEmbed(int64_t hidden, int64_t classes, c10::Device device, Precision precision,
                       uint64_t seed)
    : ClassEmbed(xavier_uniform(hidden, classes, seed), at::zeros({classes}), device, precision) {}

ClassEmbed::ClassEmbed(const at::Tensor& weight, const at::Tensor& bias, c10::Device device,
                       Precision precision)
    : precision_(precision) {
  if (weight.dim() != 2 || bias.dim() != 1 || weight.size(0) != bias.size(0) || weight.numel() == 0)
    fail("HEAD_MISMATCH", "expected class_embed weight K×C and bias K, got ", weight.sizes(), " and ",
         bias.sizes());
  if (weight.size(0) > 255)
    fail("HEAD_MISMATCH", "at most 255 classes fit label images, got ", weight.size(0));
  weight_ = make_parameter(weight, device);
  bias_ = make_parameter(bias, device);
}

at::Tensor ClassEmbed::forward(const at::Tensor& queries) const {
  if (queries.dim() != 3 || queries.size(2) != hidden())
    fail("HEAD_MISMATCH", "class_embed takes queries B×Q×", hidden(), ", got ", queries.sizes(),
         "; use a head made for this network's hidden width");
  const at::Tensor input = queries.to(device());
  if (precision_ == Precision::float32) return at::linear(input.to(at::kFloat), weight_.value, bias_.value);
  return at::linear(input.to(at::kBFloat16), weight_.value.to(at::kBFloat16), bias_.value.to(at::kBFloat16))
      .to(at::kFloat);
}

void ClassEmbed::backward(const at::Tensor& queries, const at::Tensor& d_logits) {
  const auto dtype = precision_ == Precision::float32 ? at::kFloat : at::kBFloat16;
  if (d_logits.dim() != 3 || queries.dim() != 3 || d_logits.size(0) != queries.size(0) ||
      d_logits.size(1) != queries.size(1) || d_logits.size(2) != classes() || queries.size(2) != hidden())
    fail("SHAPE", "expected queries B×Q×", hidden(), " and d_logits B×Q×", classes(), ", got ",
         queries.sizes(), " and ", d_logits.sizes());
  const at::Tensor rows = queries.to(device(), dtype).flatten(0, 1);     // BQ×C
  const at::Tensor d_rows = d_logits.to(device(), dtype).flatten(0, 1);  // BQ×K
  weight_.gradient.add_(at::mm(d_rows.t(), rows));
  bias_.gradient.add_(d_rows.sum(0));
}

LossResult ClassEmbed::loss(const at::Tensor& queries, const at::Tensor& masks,
                            const at::Tensor& labels) const {
  return cross_entropy(forward(queries), masks.to(device()), labels).result;
}

LossResult ClassEmbed::accumulate(const at::Tensor& queries, const at::Tensor& masks,
                                  const at::Tensor& labels, double scale) {
  const Forward f = cross_entropy(forward(queries), masks.to(device()), labels);
  if (f.result.pixels > 0) backward(queries, cross_entropy_backward(f, scale));
  return f.result;
}

double ClassEmbed::step(const StepOptions& options) {
  const double norm =
      std::hypot(weight_.gradient.norm().item<double>(), bias_.gradient.norm().item<double>());
  if (!std::isfinite(norm))
    fail("INVALID_ARGUMENT", "the gradient's norm is ", norm,
         ": lower the learning rate, or look for damaged inputs");
  ++steps;
  const double clip = options.max_norm > 0 ? std::min(1.0, options.max_norm / (norm + 1e-6)) : 1.0;
  const double correction1 = 1 - std::pow(options.beta1, static_cast<double>(steps));
  const double correction2 = 1 - std::pow(options.beta2, static_cast<double>(steps));
  for (TrainedParameter* p : {&weight_, &bias_}) {
    p->gradient.mul_(clip);
    p->value.mul_(1 - options.learning_rate * options.weight_decay);
    p->exp_avg.lerp_(p->gradient, 1 - options.beta1);
    p->exp_avg_sq.mul_(options.beta2).addcmul_(p->gradient, p->gradient, 1 - options.beta2);
    const at::Tensor denominator = p->exp_avg_sq.sqrt().div_(std::sqrt(correction2)).add_(options.epsilon);
    p->value.addcdiv_(p->exp_avg, denominator, -options.learning_rate / correction1);
    p->gradient.zero_();
  }
  return norm;
}

std::pair<at::Tensor, at::Tensor> autograd_gradients(const ClassEmbed& head, const at::Tensor& queries,
                                                     const at::Tensor& masks, const at::Tensor& labels,
                                                     Precision precision) {
  const c10::AutoGradMode enabled(true);
  const auto dtype = precision == Precision::float32 ? at::kFloat : at::kBFloat16;
  const at::Tensor weight = head.weight().value.detach().clone().requires_grad_();
  const at::Tensor bias = head.bias().value.detach().clone().requires_grad_();
  // clone(): inference tensors cannot be saved for backward.
  const at::Tensor logits =
      at::linear(queries.clone().to(dtype), weight.to(dtype), bias.to(dtype)).to(at::kFloat);
  const at::Tensor scores =
      at::einsum("bqk,bqhw->bkhw", {at::softmax(logits, -1), masks.clone().to(at::kFloat).sigmoid()});
  const at::Tensor resized = at::upsample_bilinear2d(scores, {labels.size(1), labels.size(2)}, false);
  at::cross_entropy_loss(resized, labels.to(resized.device(), at::kLong), {}, at::Reduction::Mean, 255)
      .backward();
  return {weight.grad(), bias.grad()};
}

}  // namespace dinov3_seg
