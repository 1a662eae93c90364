// Operators of the runtime, called through libtorch's dispatcher: plain libtorch on any device, a fused
// kernel where there is one. Legend: B batch, N heads side by side, K classes, H×W label size, h×w grid of
// the scores.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKey.h>

#include <cstdint>
#include <optional>
#include <tuple>

namespace dinov3_seg {

/// Whether there are kernels of our own for a device's key; others take libtorch's operators.
bool has_fused_kernels(c10::DispatchKey key);

/// What is compared with a pixel's label.
enum class ScoreLoss : int64_t {
  cross_entropy = 0,  // scores as logits: −log softmax(s)[label] (the recipe)
  nll = 1,            // −log of the score's share: −log((s[label] + ε) / Σ_k (s[k] + ε)), ε = 1e-6
};

constexpr double nll_epsilon = 1e-6;

/// Loss of dense scores B×N×K×h×w (float32), resized bilinearly (align_corners false) to labels B×H×W (uint8,
/// below K or 255, which is not counted). `losses` holds a ScoreLoss a head; `class_weights` N×K float32, not
/// negative, or absent (1). Gives sums B×N×2 float64, Σ w·loss and Σ w over an image's counted pixels with w
/// = class_weights[label], and, where `gradient`, the gradient of Σ w·loss by the scores, B×N×K×h×w float32
/// (else an undefined tensor). Waits for nothing on the device. Labels outside of K are the caller's to
/// refuse.
std::tuple<at::Tensor, at::Tensor> score_loss(const at::Tensor& scores, const at::Tensor& labels,
                                              const std::optional<at::Tensor>& class_weights,
                                              at::IntArrayRef losses, bool gradient);

/// Confusion counts B×N×K×K int64 (rows truth, columns prediction) of the best class of each counted pixel,
/// of scores and labels as in score_loss. Of equal scores the first class wins.
at::Tensor score_counts(const at::Tensor& scores, const at::Tensor& labels);

/// Columns of the coefficients of adamw_step.
enum AdamwCoefficient : int64_t {
  decay,             // 1 − learning rate · weight decay
  step_size,         // learning rate / (1 − beta1^steps)
  root_correction2,  // √(1 − beta2^steps)
  max_norm,          // global gradient norm of a head to clip to; infinite: no clipping
  active,            // 1; 0: the head takes no step
  adamw_coefficients
};

/// Clips each head's gradient, takes an AdamW step (Loshchilov & Hutter 2019, as torch.optim.AdamW defines
/// it) in place and clears the gradients. All N×P float32; coefficients N×adamw_coefficients float32 on the
/// same device. Gives the norms before clipping, N float32. Waits for nothing on the device.
at::Tensor adamw_step(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                      const at::Tensor& coefficients, double beta1, double beta2, double epsilon);

}  // namespace dinov3_seg
