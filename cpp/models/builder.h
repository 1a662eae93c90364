// From checkpoint tensors to the network as a TorchScript module.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/backbone_network_plan.h"
#include "models/detector_plan.h"
#include "models/eomt_plan.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

/// The dtype that the precision plan gives to `key` when the network is asked for in `dtype`:
///   float32, float64   every floating tensor in that dtype
///   bfloat16           as the reference computes under bfloat16 autocast: bfloat16 for the linears and
///   convolutions
///                      (weights and biases) of the backbone, the adapter, the predictor and EoMT's mask
///                      head and upscale blocks; float32 for all norms, LayerScale gammas, tokens, embeddings
///                      and RoPE periods, for the whole pixel decoder (autocast is off there), for
///                      class_embed and a linear head (the parts that are trained, in float32) and for the
///                      whole of a detector's head
/// Integers stay.
/// Errors: INVALID_ARGUMENT for another dtype.
at::ScalarType stored_dtype(const KeyShape& key, at::ScalarType dtype);

/// `tensor` cast to stored_dtype(); itself where no cast is needed.
at::Tensor apply_dtype(const KeyShape& key, const at::Tensor& tensor, at::ScalarType dtype);

/// How a checkpoint's floating tensor becomes the network's, given its key there and the dtype it is to have.
using CastTensor =
    std::function<at::Tensor(const std::string& key, const at::Tensor& tensor, at::ScalarType stored)>;
/// Casts at once.
at::Tensor cast_now(const std::string& key, const at::Tensor& tensor, at::ScalarType stored);

/// The names in capitals of a network's sources.
std::map<std::string, c10::IValue> segmentor_constants(const SegmentorDims& dims);
std::map<std::string, c10::IValue> detector_constants(const DetectorDims& dims);
std::map<std::string, c10::IValue> eomt_constants(const EomtDims& dims);
/// `layers`: the blocks that are tapped.
std::map<std::string, c10::IValue> backbone_network_constants(const std::vector<int64_t>& layers);

/// Builds the segmentor on the tensors' device (the CPU). Checks the keys first, then takes the tensors one
/// at a time: one that needs no cast is used as it is, views of a mapped file included. Parameters do not
/// require grad, the module is in eval mode, and its names are the reference's full state dict
/// (`segmentation_model.0.backbone.…`). Methods:
///   forward(images) -> (pred_logits B×Q×K, pred_masks B×Q×H/4×W/4)
///   decode(images) -> (queries B×Q×hidden, pred_masks)     without class_embed
///   features(images) -> patch features B×C×H/16×W/16 of the backbone's last tapped layer, the backbone alone
///   layer_features(images) -> those of the four tapped layers side by side, B×4C×H/16×W/16, in order
///   decode_with_features(images) -> (queries, pred_masks, features)     of one pass
///   decode_with_layer_features(images) -> the same with layer_features
///   taps(images) -> every intermediate array by name
/// images: B×3×H×W floating, H and W multiples of 32. Outputs are at least float32.
/// Errors: CHECKPOINT_KEYS, HEAD_MISMATCH (segmentor_plan.h), INVALID_ARGUMENT (dtype).
torch::jit::Module build_segmentor(const std::vector<NamedTensor>& backbone,
                                   const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                   const CastTensor& cast = cast_now);

/// Builds a backbone alone in the same way, with the linear head of the reference's names or, where `head` is
/// empty, without one. Methods:
///   features(images) -> patch features B×C×H/16×W/16 of the last block
///   layer_features(images) -> those of backbone_layers() side by side, B×4C×H/16×W/16, in order
///   forward(images) -> class logits B×K×H×W of the linear head, or features
/// images: B×3×H×W floating, H and W multiples of 16. Outputs are at least float32.
/// Errors: CHECKPOINT_KEYS, HEAD_MISMATCH (backbone_network_plan.h), INVALID_ARGUMENT (dtype).
torch::jit::Module build_backbone(const std::vector<NamedTensor>& backbone,
                                  const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                  const CastTensor& cast = cast_now);

/// The same of tensors in the dtypes that they are to have, which taps `layers`.
torch::jit::Module build_linear_segmentor(const std::vector<NamedTensor>& backbone,
                                          const std::vector<NamedTensor>& head,
                                          const std::vector<int64_t>& layers);

/// Builds the detector in the same way; the backbone's names begin with detector_backbone_prefix. Methods:
///   forward(images) -> (pred_logits B×Q×K before the sigmoid, pred_boxes B×Q×4)
///   features(images) -> B×(8·C)×H/16×W/16, the backbone's tapped layers of the whole image and its windows
/// Boxes are centre x, centre y, width, height in pixels. images: B×3×H×W floating, H and W multiples of 16
/// from 80 that hold Q proposals (detection_model.h). Outputs are at least float32.
/// Errors: CHECKPOINT_KEYS, HEAD_MISMATCH (detector_plan.h), INVALID_ARGUMENT (dtype).
torch::jit::Module build_detector(const std::vector<NamedTensor>& backbone,
                                  const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                  const CastTensor& cast = cast_now);

/// Builds an EoMT network in the same way, with the backbone's names as in a segmentor. Methods: forward,
/// decode and taps, as a segmentor's. It has no features: after its last blocks the patches have seen the
/// queries.
/// Errors: CHECKPOINT_KEYS, HEAD_MISMATCH (eomt_plan.h), CHECKPOINT_VALUES where attn_mask_probs are not
/// zero, INVALID_ARGUMENT (dtype).
torch::jit::Module build_eomt(const std::vector<NamedTensor>& backbone, const std::vector<NamedTensor>& head,
                              at::ScalarType dtype, const CastTensor& cast = cast_now);

}  // namespace dinov3_seg
