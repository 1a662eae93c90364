// The handle of a network in training, and what its bindings have in common.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "bindings/method.h"
#include "training/detector_training.h"
#include "training/segmentor_training.h"

namespace dinov3_seg {

template <>
struct HandleKind<NetworkTraining> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b2b, 0x9d2f3a7c81e64f0b};
  static constexpr const char* name = "training";
  /// float32: the weights with their averages, gradients and moments.
  static int64_t bytes(const NetworkTraining& training) { return 20 * training.parameters(); }
};
template <>
struct HandleKind<SegmentorTraining> {
  using Base = NetworkTraining;
  [[noreturn]] static void refuse() {
    fail("INVALID_ARGUMENT", "expected the training of a segmentor, this is a detector's");
  }
};
template <>
struct HandleKind<DetectorTraining> {
  using Base = NetworkTraining;
  [[noreturn]] static void refuse() {
    fail("INVALID_ARGUMENT", "expected the training of a detector, this is a segmentor's");
  }
};

template <>
inline constexpr auto fields<TrainingBatch> =
    std::tuple{field("scenes", &TrainingBatch::scenes), field("views", &TrainingBatch::views)};

struct ViewSize {
  int64_t height, width;
};
template <>
inline constexpr auto fields<ViewSize> =
    std::tuple{field("height", &ViewSize::height), field("width", &ViewSize::width)};

struct LossGradients {
  at::Tensor losses;  // the total first, then its parts
  at::Tensor first, second;
};

/// What `parts_of` gives for two arrays, and the gradients of the total by them.
template <typename PartsOf>
LossGradients loss_gradients(const at::Tensor& first, const at::Tensor& second, PartsOf parts_of) {
  const at::Tensor x = first.detach().clone().requires_grad_(true);
  const at::Tensor y = second.detach().clone().requires_grad_(true);
  const c10::AutoGradMode with_grad(true);
  const std::vector<at::Tensor> parts = parts_of(x, y);
  const auto gradients = torch::autograd::grad({parts[0]}, {x, y}, {}, std::nullopt, false, true);
  const c10::NoGradGuard no_grad;
  return {at::stack(parts).to(at::kDouble), gradients[0], gradients[1]};
}

}  // namespace dinov3_seg
