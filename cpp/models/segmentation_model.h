// A segmentation network as a TorchScript module.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/segmentation_head.h"
#include "models/network_module.h"
#include "models/part_times.h"

namespace dinov3_seg {

/// Values of a linear probe: batch norm and a 1×1 convolution, float32.
struct ProbeValues {
  at::Tensor weight;                                  // K×C
  at::Tensor bias;                                    // K
  at::Tensor gamma, beta, running_mean, running_var;  // C
};

/// A loaded network in eval mode, without gradients: with a decoder and its class_embed, a backbone alone, or
/// a backbone with a linear probe. Not thread-safe: one job at a time.
class SegmentationModel : public NetworkModule {
 public:
  /// Loads any TorchScript file with methods forward(images) → (pred_logits, pred_masks) and decode(images) →
  /// (queries, pred_masks) and a sub-module named class_embed with weight and bias, or, without these, with
  /// forward(images) and features(images).
  /// Throws FILE_NOT_FOUND, MODEL_FORMAT, DEVICE.
  SegmentationModel(const std::string& path, const ModelPlacement& placement);

  /// Takes a network that is on the placement's device in its dtype already. Throws MODEL_FORMAT.
  SegmentationModel(NetworkOrigin origin, torch::jit::Module module, const ModelPlacement& placement);

  /// A network that a copy of the first one's module makes (replica.h).
  SegmentationModel(const SegmentationModel& first, NetworkModules modules, const ModelPlacement& placement);

  /// What is wanted, of one pass, float32, of images B×3×H×W, H and W multiples of 32. For features alone
  /// neither adapter nor decoder run. With their marks. Throws SHAPE, and MODEL_FORMAT as require().
  NetworkOutputs outputs(const at::Tensor& images, const OutputOptions& wanted);
  /// Parts of the outputs that the file's methods give: decoded, features, layer_features.
  std::vector<std::string> provides() const;
  /// Throws MODEL_FORMAT where no method gives what is wanted: the network has no decoder, or gives no
  /// features (it was converted by an earlier release, made elsewhere, or changes the backbone).
  void require(const OutputOptions& wanted) const;
  /// Logits B×Q×K float32 of decoded queries by the model's own class_embed, in its stored precision. Throws
  /// MODEL_FORMAT without one.
  at::Tensor class_logits(const at::Tensor& queries) const;
  /// Intermediate arrays by name. Throws MODEL_FORMAT where the file has no method `taps`.
  c10::Dict<std::string, at::Tensor> taps(const at::Tensor& images);

  /// See part_times.h. Images as in decode.
  std::vector<PartTime> times(const at::Tensor& images, int64_t repeat);

  /// Of the model's own class_embed: K×C and K, in its stored precision. Throws MODEL_FORMAT without one.
  at::Tensor class_embed_weight() const { return class_embed().attr("weight").toTensor(); }
  at::Tensor class_embed_bias() const { return class_embed().attr("bias").toTensor(); }
  /// The linear probe inside the network, on the CPU; nothing where there is none.
  std::optional<ProbeValues> probe() const;

  /// Writes the network with weight K×C and bias K in place of its own class_embed. Throws HEAD_MISMATCH.
  /// Where weights are quantised, the file's own are written: see with_file_weights(), here and below.
  void save_with_class_embed(const at::Tensor& weight, const at::Tensor& bias, const std::string& path) const;

  /// Writes the network's backbone, in its precision, with a linear probe that reads its features: a network
  /// whose forward gives class logits (build_backbone). Decoder and adapter are left out. Throws
  /// HEAD_MISMATCH, and MODEL_FORMAT for a network that convert did not make.
  void save_with_probe(const ProbeValues& probe, const std::string& path) const;

  /// Width of the backbone's tokens; hidden() where the file does not tell (it was made elsewhere).
  int64_t width() const;
  /// The same; 0 where the file does not tell.
  int64_t token_width() const { return parameter_size("patch_embed.proj.weight", 0); }
  /// Of the own class_embed, 0 without one.
  int64_t hidden() const { return class_embed_ ? class_embed_weight().size(1) : 0; }
  int64_t classes() const { return class_embed_ ? class_embed_weight().size(0) : 0; }

 private:
  CudaGraphRunner::Tensors run_checked(const char* method, const at::Tensor& images, bool decodes);
  const torch::jit::Module& class_embed() const;
  bool has(const char* method) const { return module().find_method(method).has_value(); }
  bool has_quantized_weights() const { return placement().precision == NetworkPrecision::fp8; }
  /// The network as its file has it, cast as this one was, for exports of quantised networks. Throws
  /// INVALID_ARGUMENT for one without a file, MODEL_FORMAT where the file is another one by now.
  std::unique_ptr<SegmentationModel> with_file_weights() const;

  std::optional<torch::jit::Module> class_embed_;
};

}  // namespace dinov3_seg
