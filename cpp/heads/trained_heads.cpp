#include "heads/trained_heads.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "ops/ops.h"

namespace dinov3_seg {

at::Tensor mask_probabilities(const at::Tensor& masks) {
  if (masks.scalar_type() == at::kByte) return masks.to(at::kFloat).div_(255);
  return masks.to(at::kFloat).sigmoid();
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

at::Tensor TrainedHeads::step(const at::Tensor& coefficients) {
  const StepOptions defaults;
  return adamw_step(value_, gradient_, exp_avg_, exp_avg_sq_, coefficients, defaults.beta1, defaults.beta2,
                    defaults.epsilon);
}

at::Tensor TrainedHeads::coefficients(const std::vector<StepOptions>& options,
                                      const std::vector<int64_t>& steps, const std::vector<bool>& is_active) {
  const auto heads = static_cast<int64_t>(options.size());
  at::Tensor table = at::empty({heads, adamw_coefficients}, at::kFloat);
  auto row = table.accessor<float, 2>();
  for (int64_t n = 0; n < heads; ++n) {
    const StepOptions& o = options[static_cast<size_t>(n)];
    const auto taken = static_cast<double>(steps[static_cast<size_t>(n)]);
    row[n][decay] = static_cast<float>(1 - o.learning_rate * o.weight_decay);
    row[n][step_size] = static_cast<float>(o.learning_rate / (1 - std::pow(o.beta1, taken)));
    row[n][root_correction2] = static_cast<float>(std::sqrt(1 - std::pow(o.beta2, taken)));
    row[n][max_norm] =
        o.max_norm > 0 ? static_cast<float>(o.max_norm) : std::numeric_limits<float>::infinity();
    row[n][active] = is_active[static_cast<size_t>(n)] ? 1.0F : 0.0F;
  }
  return table;
}

}  // namespace dinov3_seg
