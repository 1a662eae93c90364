// Linear probes side by side: batch norm and a 1×1 convolution on the backbone's patch features.
// Legend as in trained_heads.h; C channels of the features, h×w their grid.
#pragma once

#include <vector>

#include "heads/trained_heads.h"

namespace dinov3_seg {

struct ProbeParameters {
  at::Tensor weight;  // N×K×C of the convolution
  at::Tensor bias;    // N×K
  at::Tensor gamma;   // N×C of the batch norm
  at::Tensor beta;    // N×C
};

/// The head of DINOv3's linear segmentation protocol (Siméoni et al. 2025), without dropout; scores are
/// resized bilinearly to the labels, the loss is cross entropy, all in float32. A head's parameters stand as
/// convolution weight K×C row by row, bias K, gamma C, beta C.
///
/// A probe reads the features of the last layer, or of all tapped layers side by side: of features that hold
/// more than its width, it takes the last channels.
///
/// Batch norm is torch.nn.BatchNorm2d's: eps 1e-5, momentum 0.1, the biased variance normalises, the unbiased
/// one runs. Batch and running statistics are each head's own, over the images that it learns from, so that
/// it learns what it would alone. They do not cost a pass over the features a head: the statistics of each
/// image are combined.
class LinearProbeHeads : public TrainedHeads {
 public:
  /// A head for each seed, which reads `layers` (1 or 4) layers of `width` channels together: weight
  /// normal(0, 0.01) (the same numbers on every device), bias 0, gamma 1, beta 0, running mean 0, running
  /// variance 1. Class weights N×K or undefined (all 1). Throws INVALID_ARGUMENT, HEAD_MISMATCH, SHAPE.
  LinearProbeHeads(int64_t width, int64_t layers, int64_t classes, c10::Device device,
                   const std::vector<uint64_t>& seeds, const at::Tensor& class_weights);

  OutputOptions reads() const override { return {.feature_layers = layers_}; }
  int64_t width() const override { return width_; }
  int64_t outputs() const override { return classes_; }

  /// K. Throws INVALID_ARGUMENT for ade20k: there is no output for "no object".
  int64_t scored_classes(Scoring scoring) const override;

  /// Of the only head, with the running statistics.
  DenseScores dense_scores(const NetworkOutputs& outputs, Scoring scoring) const override;

  /// With the running statistics.
  at::Tensor forward(const NetworkOutputs& outputs) const override;

  /// Also moves the running statistics of the heads that learn from an image of the batch. Pixels weigh what
  /// their classes do, as with ClassEmbedHeads. Throws SHAPE for a grid of one position, which has no
  /// variance.
  HeadLosses accumulate(const HeadBatch& batch, const at::Tensor& include, double scale) override;

  /// With the running statistics, without class weights, so that heads with different ones compare.
  at::Tensor losses(const HeadBatch& batch) override;
  HeadCounts evaluate(const HeadBatch& batch) override;
  std::shared_ptr<TrainedHeads> copy_on(c10::Device device, int replica) const override;

  std::vector<std::pair<const char*, at::Tensor>> buffers() const override;

  ProbeParameters parameters() const { return parameters_of(value_); }
  at::Tensor running_mean() const { return running_mean_; }  // N×C
  at::Tensor running_var() const { return running_var_; }

 private:
  struct Statistics;
  ProbeParameters parameters_of(const at::Tensor& rows) const;
  at::Tensor own_channels(const at::Tensor& features) const;
  void check_batch(const HeadBatch& batch) const;
  void move_running(const Statistics& statistics, const at::Tensor& shift, int64_t positions);
  void backward(const at::Tensor& features, const at::Tensor& d_scores, const Statistics& statistics);

  int64_t width_, layers_, classes_;
  std::vector<int64_t> losses_;
  at::Tensor class_weights_;               // N×K, or undefined
  at::Tensor running_mean_, running_var_;  // N×C
};

}  // namespace dinov3_seg
