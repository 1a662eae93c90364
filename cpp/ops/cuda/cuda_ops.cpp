// The operators on CUDA devices: tensors in, kernels on the current stream, nothing waited for. A library of
// its own, which loader.node opens beside the engine where libtorch has CUDA; the kernels are in another one.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "ops/cuda/launch.h"
#include "ops/cuda/operators.h"
#include "ops/cuda/tensor_arguments.h"
#include "ops/score_checks.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

cuda::ScoreArguments score_arguments(const ScoreSizes& size, const at::Tensor& scores,
                                     const at::Tensor& labels, const at::Tensor& class_weights) {
  for (const int64_t length : {size.grid_height, size.grid_width, size.height, size.width})
    if (length > 1 << 20) fail("SHAPE", "expected sides of at most 1048576, got ", length);
  check_grid(size.batch * size.heads *
             std::max(size.height * size.width / 256 + 1,
                      size.classes * size.grid_height * size.grid_width / 8 + 1));
  return {size.batch,
          size.heads,
          narrow(size.classes),
          narrow(size.grid_height),
          narrow(size.grid_width),
          narrow(size.height),
          narrow(size.width),
          scores.const_data_ptr<float>(),
          labels.const_data_ptr<uint8_t>(),
          class_weights.defined() ? class_weights.const_data_ptr<float>() : nullptr};
}

/// Calls use(range, is nll) for each run of heads with the same loss.
template <typename Use>
void each_range(at::IntArrayRef losses, Use use) {
  for (size_t first = 0, end = 0; first < losses.size(); first = end) {
    while (end < losses.size() && losses[end] == losses[first]) ++end;
    use(cuda::HeadRange{static_cast<int64_t>(first), static_cast<int64_t>(end - first)},
        losses[first] == static_cast<int64_t>(ScoreLoss::nll));
  }
}

std::tuple<at::Tensor, at::Tensor> score_loss_cuda(const at::Tensor& given_scores,
                                                   const at::Tensor& given_labels,
                                                   const std::optional<at::Tensor>& given_weights,
                                                   at::IntArrayRef losses, bool gradient) {
  const ScoreSizes size = check_scores(given_scores, given_labels, given_weights, losses);
  const c10::DeviceGuard guard(given_scores.device());
  const at::Tensor scores = given_scores.contiguous(), labels = given_labels.contiguous();
  const at::Tensor weights = given_weights ? given_weights->contiguous() : at::Tensor();
  const cuda::ScoreArguments in = score_arguments(size, scores, labels, weights);
  const bool by_cells = gradient && kernels().fits_cells(in);
  const int64_t blocks = by_cells ? kernels().cell_blocks(in) : kernels().pixel_blocks(in);
  const auto doubles = scores.options().dtype(at::kDouble);
  const at::Tensor partials = at::empty({size.batch, size.heads, blocks, 2}, doubles);
  const at::Tensor sums = at::empty({size.batch, size.heads, 2}, doubles);
  auto* parts = partials.mutable_data_ptr<double>();
  at::Tensor d_scores, normalisers;
  float* to = nullptr;
  if (gradient) {
    d_scores = at::empty(scores.sizes(), scores.options());
    to = d_scores.mutable_data_ptr<float>();
  }
  if (by_cells) {
    launch(kernels().clear, to, d_scores.nbytes());
    each_range(losses, [&](cuda::HeadRange range, bool is_nll) {
      launch(kernels().score_gradient, in, range, is_nll, to, parts);
    });
  } else {
    if (gradient)
      normalisers = at::empty({size.batch, size.heads, size.height, size.width}, scores.options());
    float* kept = gradient ? normalisers.mutable_data_ptr<float>() : nullptr;
    each_range(losses, [&](cuda::HeadRange range, bool is_nll) {
      launch(kernels().score_losses, in, range, is_nll, kept, parts);
    });
    if (gradient)
      each_range(losses, [&](cuda::HeadRange range, bool is_nll) {
        launch(kernels().spread_gradient, in, range, is_nll, kept, to);
      });
  }
  launch(kernels().sum_partials, parts, size.batch * size.heads, blocks, sums.mutable_data_ptr<double>());
  return {sums, d_scores};
}

at::Tensor score_counts_cuda(const at::Tensor& given_scores, const at::Tensor& given_labels) {
  const ScoreSizes size = check_scores(given_scores, given_labels, {}, {});
  const c10::DeviceGuard guard(given_scores.device());
  const at::Tensor scores = given_scores.contiguous(), labels = given_labels.contiguous();
  const at::Tensor counts =
      at::empty({size.batch, size.heads, size.classes, size.classes}, scores.options().dtype(at::kLong));
  auto* to = counts.mutable_data_ptr<int64_t>();
  launch(kernels().clear, to, counts.nbytes());
  launch(kernels().score_counts, score_arguments(size, scores, labels, {}), to);
  return counts;
}

at::Tensor adamw_step_cuda(at::Tensor& value, at::Tensor& gradient, at::Tensor& exp_avg,
                           at::Tensor& exp_avg_sq, const at::Tensor& given_coefficients, double beta1,
                           double beta2, double epsilon) {
  check_adamw(value, gradient, exp_avg, exp_avg_sq, given_coefficients);
  const c10::DeviceGuard guard(value.device());
  const at::Tensor coefficients = given_coefficients.contiguous();
  const cuda::AdamwArguments in{value.size(0),
                                value.size(1),
                                value.mutable_data_ptr<float>(),
                                gradient.mutable_data_ptr<float>(),
                                exp_avg.mutable_data_ptr<float>(),
                                exp_avg_sq.mutable_data_ptr<float>(),
                                coefficients.const_data_ptr<float>(),
                                static_cast<float>(beta1),
                                static_cast<float>(beta2),
                                static_cast<float>(epsilon)};
  const at::Tensor partials =
      at::empty({in.heads, kernels().norm_blocks(in)}, value.options().dtype(at::kDouble));
  const at::Tensor norms = at::empty({in.heads}, value.options());
  launch(kernels().adamw_step, in, partials.mutable_data_ptr<double>(), norms.mutable_data_ptr<float>());
  return norms;
}

}  // namespace

void implement_score_operators(torch::Library& library) {
  library.impl("score_loss", score_loss_cuda);
  library.impl("score_counts", score_counts_cuda);
  library.impl("adamw_step", adamw_step_cuda);
}

}  // namespace dinov3_seg
