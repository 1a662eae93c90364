#include "heads/trained_heads.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

at::Tensor mask_probabilities(const at::Tensor& masks) {
  if (masks.scalar_type() == at::kByte) return masks.to(at::kFloat).div_(255);
  return masks.to(at::kFloat).sigmoid();
}

at::Tensor mask_logits(const at::Tensor& masks) {
  if (masks.scalar_type() == at::kByte) return at::logit(masks.to(at::kFloat).div_(255), 1.0 / 1020);
  return masks.to(at::kFloat);
}

HeadMeans mean_of(const at::Tensor& sums, const at::Tensor& include, double scale) {
  // where(), not a product: an image that is left out may have a loss that is not finite.
  const at::Tensor own = include.defined() ? at::where(include.unsqueeze(2).gt(0), sums, 0.0) : sums;
  const at::Tensor total = own.sum(0);  // N×2
  const at::Tensor weight = total.select(1, 1), counted = weight.gt(0);
  const at::Tensor each = at::where(counted, scale / weight, 0.0).to(at::kFloat);  // N
  return {{at::where(counted, total.select(1, 0) / weight, 0.0), weight},
          include.defined() ? each * include : each.expand({sums.size(0), sums.size(1)})};
}

TrainedHeads::TrainedHeads(int64_t heads, int64_t parameters, c10::Device device) {
  if (heads < 1 || parameters < 1)
    fail("INVALID_ARGUMENT", "expected at least one head with parameters, got ", heads, " with ", parameters);
  const auto zeros = [&] {
    return at::zeros({heads, parameters}, at::TensorOptions().dtype(at::kFloat).device(device));
  };
  value_ = zeros();
  gradient_ = zeros();
  exp_avg_ = zeros();
  exp_avg_sq_ = zeros();
}

void TrainedHeads::stand_alone(c10::Device device, int replica, std::initializer_list<at::Tensor*> others) {
  const auto copy = [&](at::Tensor& tensor) {
    if (tensor.defined())
      tensor = tensor.to(device, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  };
  copy(value_);
  for (at::Tensor* tensor : others) copy(*tensor);
  for (at::Tensor* tensor : {&gradient_, &exp_avg_, &exp_avg_sq_}) *tensor = at::zeros_like(value_);
  replica_ = replica;
}

at::Tensor TrainedHeads::checked_class_weights(const at::Tensor& class_weights, int64_t classes) const {
  if (!class_weights.defined()) return {};
  if (class_weights.sizes() != at::IntArrayRef{heads(), classes})
    fail("SHAPE", "expected class weights ", heads(), "×", classes, ", got ", class_weights.sizes());
  const at::Tensor copy = class_weights.to(device(), at::kFloat, false, true).contiguous();
  if (!at::logical_and(copy.ge(0), copy.isfinite()).all().item<bool>())
    fail("INVALID_ARGUMENT", "class weights must be finite and not negative");
  return copy;
}

at::Tensor TrainedHeads::step(const at::Tensor& coefficients, const StepOptions& options) {
  return adamw_step(value_, gradient_, exp_avg_, exp_avg_sq_, coefficients, options.beta1, options.beta2,
                    options.epsilon);
}

void TrainedHeads::require_finite_gradients() const {
  if (gradient_.isfinite().all().item<bool>()) return;
  fail("INVALID_ARGUMENT", "the gradient's norm is ", gradient_.norm().item<double>(),
       ": lower the learning rate, or check for damaged inputs");
}

void TrainedHeads::fill_coefficients(float* row, const StepOptions& options, int64_t steps, bool is_active) {
  const auto taken = static_cast<double>(steps);
  row[decay] = static_cast<float>(1 - options.learning_rate * options.weight_decay);
  row[step_size] = static_cast<float>(options.learning_rate / (1 - std::pow(options.beta1, taken)));
  row[root_correction2] = static_cast<float>(std::sqrt(1 - std::pow(options.beta2, taken)));
  row[max_norm] =
      options.max_norm > 0 ? static_cast<float>(options.max_norm) : std::numeric_limits<float>::infinity();
  row[active] = is_active ? 1.0F : 0.0F;
}

at::Tensor TrainedHeads::coefficients(const std::vector<StepOptions>& options,
                                      const std::vector<int64_t>& steps, const std::vector<bool>& is_active) {
  at::Tensor table = at::empty({static_cast<int64_t>(options.size()), adamw_coefficients}, at::kFloat);
  auto* row = table.mutable_data_ptr<float>();
  for (const StepOptions& own : options)
    if (own.beta1 != options[0].beta1 || own.beta2 != options[0].beta2 || own.epsilon != options[0].epsilon)
      fail("INVALID_ARGUMENT", "heads side by side must have the same betas and epsilon");
  for (size_t n = 0; n < options.size(); ++n, row += adamw_coefficients)
    fill_coefficients(row, options[n], steps[n], is_active[n]);
  return table;
}

}  // namespace dinov3_seg
