// A segmentation network as a TorchScript module.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "core/class_embed.h"
#include "models/network_module.h"
#include "models/part_times.h"

namespace dinov3_seg {

/// What decode() gives: queries B×Q×C (input of class_embed) and mask logits B×Q×h×w, float32, on the model's
/// device.
struct Decoded {
  at::Tensor queries;
  at::Tensor masks;
};

/// The same, and the patch features B×C×H/16×W/16 of the backbone's last tapped layer, float32.
struct DecodedWithFeatures {
  Decoded decoded;
  at::Tensor features;
};

/// A loaded network in eval mode, without gradients. Not thread-safe: one job at a time.
class SegmentationModel : public NetworkModule {
 public:
  /// Loads any TorchScript file with methods forward(images) → (pred_logits, pred_masks) and decode(images) →
  /// (queries, pred_masks) and a sub-module named class_embed with weight and bias.
  /// Throws FILE_NOT_FOUND, MODEL_FORMAT, DEVICE.
  SegmentationModel(const std::string& path, const ModelPlacement& placement);

  /// Takes a network that is on the placement's device in its dtype already; `path` names it in messages,
  /// `id` tells networks apart. Throws MODEL_FORMAT.
  SegmentationModel(std::string path, std::string id, torch::jit::Module module,
                    const ModelPlacement& placement);

  /// Images B×3×H×W, H and W multiples of 32. Throws SHAPE otherwise.
  Decoded decode(const at::Tensor& images);
  /// Throws MODEL_FORMAT as features() does.
  DecodedWithFeatures decode_with_features(const at::Tensor& images);
  /// Runs the backbone alone. Throws MODEL_FORMAT where the file has no method of that name (it was converted
  /// by an earlier release, or made elsewhere).
  at::Tensor features(const at::Tensor& images);
  /// Logits B×Q×K float32 of decoded queries by the model's own class_embed, in its stored precision.
  at::Tensor class_logits(const at::Tensor& queries) const;
  /// Intermediate arrays by name. Throws MODEL_FORMAT where the file has no method `taps`.
  c10::Dict<std::string, at::Tensor> taps(const at::Tensor& images);

  /// See part_times.h. Images as in decode.
  std::vector<PartTime> times(const at::Tensor& images, int64_t repeat);

  /// The model's own class_embed.
  ClassEmbed class_embed(Precision precision) const;

  /// Writes the network with the head's weights in place of its own class_embed.
  void save_with_head(const ClassEmbed& head, const std::string& path) const;

  /// Width of the backbone's tokens; hidden() where the file does not tell (it was made elsewhere).
  int64_t width() const;
  int64_t hidden() const { return class_embed_weight().size(1); }
  int64_t classes() const { return class_embed_weight().size(0); }

 private:
  at::Tensor class_embed_weight() const { return class_embed_.attr("weight").toTensor(); }
  CudaGraphRunner::Tensors run_checked(const char* method, const at::Tensor& images);
  void require_features(const char* method) const;

  torch::jit::Module class_embed_;
};

}  // namespace dinov3_seg
