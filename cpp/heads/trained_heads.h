// Heads that are trained side by side on the frozen network's outputs, on one device, without waiting for it.
// Legend: B batch, N heads, P parameters of a head, Q queries, C width, K classes, H×W labels, h×w mask grid.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "core/segmentation_head.h"

namespace dinov3_seg {

/// Of AdamW (Loshchilov & Hutter 2019) with decoupled weight decay, as torch.optim.AdamW defines it.
struct StepOptions {
  double learning_rate = 1e-4;
  double weight_decay = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_norm = 1.0;  // global gradient norm to clip to; 0: no clipping
};

/// What heads learn from, on their device.
struct HeadBatch : NetworkOutputs {
  /// B; names the images: equal numbers hold equal arrays. Negative: arrays that do not come again.
  std::vector<int64_t> records;
  at::Tensor labels;  // B×H×W uint8, below K or 255
};

/// Sigmoid of a batch's masks, B×Q×h×w float32.
at::Tensor mask_probabilities(const at::Tensor& masks);

/// Logits of a batch's masks, float32 of equal shape. Of stored sigmoids 0 and 1 stand for 1/1020 and
/// 1019/1020, in the middle of what is rounded to them.
at::Tensor mask_logits(const at::Tensor& masks);

/// Sums of an evaluation, on the heads' device.
struct HeadCounts {
  at::Tensor losses;     // B×N×2 float64: Σ w·loss and Σ w of each image (mean of an image = quotient)
  at::Tensor confusion;  // B×N×K'×K' int64, rows truth; K' classes without "no object"
};

/// What a batch came to under each head.
struct HeadLosses {
  at::Tensor loss;    // N float64: Σ w·loss / Σ w over the images it learns from, 0 where nothing counts
  at::Tensor weight;  // N float64: Σ w, of scores without class weights the counted pixels
};

/// What the sums of a batch give each head.
struct HeadMeans : HeadLosses {
  at::Tensor
      factor;  // B×N float32, what makes gradients of Σ w·loss those of scale · mean; 0: nothing to learn
};

/// Sums B×N×2 float64 as score_loss gives them; `include` as accumulate() takes it. Waits for nothing on the
/// device.
HeadMeans mean_of(const at::Tensor& sums, const at::Tensor& include, double scale);

/// N heads of one kind with their gradients and AdamW moments. Not thread-safe: one job at a time.
class TrainedHeads : public SegmentationHead {
 public:
  TrainedHeads(int64_t heads, int64_t parameters, c10::Device device);

  int64_t heads() const { return value_.size(0); }
  c10::Device device() const override { return value_.device(); }

  /// Outputs R of a head, "no object" included.
  virtual int64_t outputs() const = 0;

  /// What the heads make of the network's outputs, float32: class logits B×Q×N×R of queries, or scores
  /// B×N×R×h×w of features. Throws HEAD_MISMATCH for another width.
  virtual at::Tensor forward(const NetworkOutputs& outputs) const = 0;

  /// Mean losses over the counted pixels of the batch; `scale` times their gradients are added to the
  /// gradients. `include` B×N float32 on the device, 0 or 1: which images a head learns from (undefined:
  /// all). A head without a counted pixel gets loss 0 and no gradient.
  virtual HeadLosses accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) = 0;

  /// Losses B×N×2 of each image under each head, as in HeadCounts.
  virtual at::Tensor losses(const HeadBatch& batch) = 0;

  /// Losses and confusion counts of each image under each head.
  virtual HeadCounts evaluate(const HeadBatch& batch) = 0;

  /// Takes a step of all heads and clears the gradients. Coefficients: see coefficients(). Gives the
  /// gradients' norms before clipping, N float32 on the device; a head whose norm is not finite is lost.
  /// Betas and epsilon are those of `options`, for all heads.
  at::Tensor step(const at::Tensor& coefficients, const StepOptions& options);

  /// Throws INVALID_ARGUMENT unless all gradients are finite. Waits for the device.
  void require_finite_gradients() const;

  /// What step() takes, N×adamw_coefficients float32 on the CPU, for heads that have taken `steps` steps,
  /// this one included. `options` and `is_active` one a head. Throws INVALID_ARGUMENT where heads differ in
  /// betas or epsilon.
  static at::Tensor coefficients(const std::vector<StepOptions>& options, const std::vector<int64_t>& steps,
                                 const std::vector<bool>& is_active);

  /// A row of it, adamw_coefficients floats.
  static void fill_coefficients(float* row, const StepOptions& options, int64_t steps, bool is_active);

  /// Number of the copy on its device, from 0: a lane of the job queue each.
  int replica() const { return replica_; }
  /// Heads with these heads' values and running statistics as they are now, for a network there. They have no
  /// gradients or moments yet.
  virtual std::shared_ptr<TrainedHeads> copy_on(c10::Device device, int replica) const = 0;

  /// N×P float32: weights, gradients and AdamW moments.
  at::Tensor value() const { return value_; }
  at::Tensor gradient() const { return gradient_; }
  at::Tensor exp_avg() const { return exp_avg_; }
  at::Tensor exp_avg_sq() const { return exp_avg_sq_; }

  /// State that is not trained, under its names in HeadsState, float32: running statistics.
  virtual std::vector<std::pair<const char*, at::Tensor>> buffers() const { return {}; }

 protected:
  /// Class weights N×K float32 on the device, or undefined. Throws SHAPE, INVALID_ARGUMENT for negative ones.
  at::Tensor checked_class_weights(const at::Tensor& class_weights, int64_t classes) const;

  /// Makes a copy of the object one that stands by itself. `others`: tensors of its own.
  void stand_alone(c10::Device device, int replica, std::initializer_list<at::Tensor*> others);

  at::Tensor value_, gradient_, exp_avg_, exp_avg_sq_;

 private:
  int replica_ = 0;
};

}  // namespace dinov3_seg
