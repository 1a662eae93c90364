// A segmentation network as a TorchScript module.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "core/segmentation_head.h"
#include "models/network_module.h"
#include "models/part_times.h"

namespace dinov3_seg {

/// A loaded network in eval mode, without gradients. Not thread-safe: one job at a time.
class SegmentationModel : public NetworkModule {
 public:
  /// Loads any TorchScript file with methods forward(images) → (pred_logits, pred_masks) and decode(images) →
  /// (queries, pred_masks) and a sub-module named class_embed with weight and bias.
  /// Throws FILE_NOT_FOUND, MODEL_FORMAT, DEVICE.
  SegmentationModel(const std::string& path, const ModelPlacement& placement);

  /// Takes a network that is on the placement's device in its dtype already. Throws MODEL_FORMAT.
  SegmentationModel(NetworkOrigin origin, torch::jit::Module module, const ModelPlacement& placement);

  /// Queries and masks (`decoded`), `features` or all of one pass, float32, of images B×3×H×W, H and W
  /// multiples of 32. For features alone neither adapter nor decoder run. Throws SHAPE, and MODEL_FORMAT
  /// where the file has no method that gives features (it was converted by an earlier release, or made
  /// elsewhere).
  NetworkOutputs outputs(const at::Tensor& images, bool decoded, bool features);
  /// Logits B×Q×K float32 of decoded queries by the model's own class_embed, in its stored precision.
  at::Tensor class_logits(const at::Tensor& queries) const;
  /// Intermediate arrays by name. Throws MODEL_FORMAT where the file has no method `taps`.
  c10::Dict<std::string, at::Tensor> taps(const at::Tensor& images);

  /// See part_times.h. Images as in decode.
  std::vector<PartTime> times(const at::Tensor& images, int64_t repeat);

  /// Of the model's own class_embed: K×C and K, in its stored precision.
  at::Tensor class_embed_weight() const { return class_embed_.attr("weight").toTensor(); }
  at::Tensor class_embed_bias() const { return class_embed_.attr("bias").toTensor(); }

  /// Writes the network with weight K×C and bias K in place of its own class_embed. Throws HEAD_MISMATCH.
  void save_with_class_embed(const at::Tensor& weight, const at::Tensor& bias, const std::string& path) const;

  /// Width of the backbone's tokens; hidden() where the file does not tell (it was made elsewhere).
  int64_t width() const;
  int64_t hidden() const { return class_embed_weight().size(1); }
  int64_t classes() const { return class_embed_weight().size(0); }

 private:
  CudaGraphRunner::Tensors run_checked(const char* method, const at::Tensor& images);
  void require_features(const char* method) const;

  torch::jit::Module class_embed_;
};

}  // namespace dinov3_seg
