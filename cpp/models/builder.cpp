#include "models/builder.h"

#include <ATen/ATen.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/page_allocator.h"
#include "models/module_tree.h"
#include "models/torchscript_parser.h"
#include "models/torchscript_sources.h"

namespace dinov3_seg {
namespace {

bool is_same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && at::equal(a, b);
}

/// Takes a checkpoint's tensors into a network's list.
class TensorTaker {
 public:
  TensorTaker(at::ScalarType dtype, const CastTensor& cast) : dtype_(dtype), cast_(cast) {}

  /// Those of `keys`, in their order, under `prefix`. Repeats are left out. Errors: CHECKPOINT_KEYS where a
  /// repeat has values of its own.
  void take(std::span<const KeyShape> keys, const std::vector<NamedTensor>& checkpoint,
            const std::string& prefix = "") {
    std::unordered_map<std::string_view, const at::Tensor*> table;
    for (const auto& [name, tensor] : checkpoint) table.emplace(name, &tensor);
    for (const KeyShape& key : keys) {
      check_cancelled();
      const at::Tensor& tensor = *table.at(key.name);
      if (key.repeats.empty()) {
        const at::ScalarType stored = stored_dtype(key, dtype_);
        tensors_.push_back(
            {prefix + key.name, tensor.is_floating_point() ? cast_(key.name, tensor, stored) : tensor});
      } else if (!is_same(tensor, *table.at(key.repeats))) {
        fail("CHECKPOINT_KEYS", "Expected ", key.name, " to repeat the values of ", key.repeats,
             ", which inference uses, but the values differ. Give the released file.");
      }
    }
  }

  const std::vector<NamedTensor>& tensors() const { return tensors_; }

 private:
  at::ScalarType dtype_;
  const CastTensor& cast_;
  std::vector<NamedTensor> tensors_;
};

}  // namespace

std::map<std::string, c10::IValue> segmentor_constants(const SegmentorDims& dims) {
  return {{"HEADS", attention_heads},
          {"POINTS", sampling_points},
          {"GROUPS", norm_groups},
          {"PATCH_SIZE", patch_size},
          {"TAPPED_LAYERS", tapped_layers(dims.depth)}};
}

std::map<std::string, c10::IValue> detector_constants(const DetectorDims& dims) {
  return {{"HEADS", dims.heads},
          {"GROUPS", detector_norm_groups},
          {"PATCH_SIZE", patch_size},
          {"WINDOWS", detector_windows},
          {"FINAL_LAYER", dims.decoder_layers - 1},
          {"PROPOSAL_LAYER", dims.decoder_layers},
          {"TAPPED_LAYERS", detector_tapped_layers(dims.depth)}};
}

std::map<std::string, c10::IValue> eomt_constants(const EomtDims& dims) {
  return {{"PATCH_SIZE", patch_size},
          {"TAPPED_LAYERS", tapped_layers(dims.depth)},
          {"QUERY_LAYER", dims.depth - dims.query_blocks}};
}

std::map<std::string, c10::IValue> backbone_network_constants(const std::vector<int64_t>& layers) {
  return {{"PATCH_SIZE", patch_size}, {"TAPPED_LAYERS", layers}};
}

at::ScalarType stored_dtype(const KeyShape& key, at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kDouble && dtype != at::kBFloat16) {
    fail("INVALID_ARGUMENT", "Expected float32, float64 or bfloat16 for a network, got ", dtype_name(dtype),
         ".");
  }
  if (!c10::isFloatingType(key.dtype)) return key.dtype;
  return dtype == at::kBFloat16 && !key.bfloat16 ? at::kFloat : dtype;
}

at::Tensor apply_dtype(const KeyShape& key, const at::Tensor& tensor, at::ScalarType dtype) {
  const at::ScalarType stored = stored_dtype(key, dtype);
  return tensor.is_floating_point() ? cast_page_allocated(tensor, stored) : tensor;
}

at::Tensor cast_now(const std::string&, const at::Tensor& tensor, at::ScalarType stored) {
  return tensor.to(stored);
}

torch::jit::Module build_segmentor(const std::vector<NamedTensor>& backbone,
                                   const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                   const CastTensor& cast) {
  const SegmentorDims dims = checked_dims(shapes_of(backbone), shapes_of(head));
  const auto wanted_head = head_keys(dims);
  // The order of the reference's full state dict: a module's own parameters, then its children, the backbone
  // first.
  TensorTaker taker(dtype, cast);
  const std::span<const KeyShape> keys(wanted_head);
  taker.take(keys.first(1), head);
  taker.take(backbone_keys(dims), backbone, backbone_prefix);
  taker.take(keys.subspan(1), head);
  return build_module(parse_sources(torchscript_sources()), "Segmentor", segmentor_constants(dims),
                      taker.tensors());
}

namespace {

torch::jit::Module build_backbone_network(const std::vector<NamedTensor>& backbone,
                                          const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                          const CastTensor& cast, const BackboneNetworkDims& dims,
                                          const std::vector<int64_t>& layers) {
  TensorTaker taker(dtype, cast);
  taker.take(backbone_keys(dims), backbone, backbone_prefix);
  taker.take(linear_head_keys(dims), head);
  return build_module(parse_sources(torchscript_sources()), "BackboneNetwork",
                      backbone_network_constants(layers), taker.tensors());
}

}  // namespace

torch::jit::Module build_backbone(const std::vector<NamedTensor>& backbone,
                                  const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                  const CastTensor& cast) {
  const BackboneNetworkDims dims = checked_backbone_network_dims(shapes_of(backbone), shapes_of(head));
  return build_backbone_network(backbone, head, dtype, cast, dims, backbone_layers(dims.depth));
}

torch::jit::Module build_linear_segmentor(const std::vector<NamedTensor>& backbone,
                                          const std::vector<NamedTensor>& head,
                                          const std::vector<int64_t>& layers) {
  const BackboneNetworkDims dims = checked_backbone_network_dims(shapes_of(backbone), shapes_of(head));
  const auto as_it_is = [](const std::string&, const at::Tensor& tensor, at::ScalarType) { return tensor; };
  return build_backbone_network(backbone, head, at::kFloat, as_it_is, dims, layers);
}

torch::jit::Module build_detector(const std::vector<NamedTensor>& backbone,
                                  const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                  const CastTensor& cast) {
  const DetectorDims dims = checked_detector_dims(shapes_of(backbone), shapes_of(head));
  TensorTaker taker(dtype, cast);
  taker.take(detector_head_keys(dims), head);
  taker.take(backbone_keys(dims), backbone, detector_backbone_prefix);
  return build_module(parse_sources(torchscript_sources()), "Detector", detector_constants(dims),
                      taker.tensors());
}

namespace {

/// While an EoMT network is trained, its queries attend under masks of their own with these probabilities,
/// which sink to zero. Errors: CHECKPOINT_VALUES where they have not.
void check_mask_probabilities(const std::vector<NamedTensor>& head) {
  for (const auto& [name, tensor] : head) {
    if (!name.ends_with("attn_mask_probs") || !tensor.any().item<bool>()) continue;
    fail("CHECKPOINT_VALUES", "Expected attn_mask_probs of zeros, got ", tensor.max().item<double>(),
         ": this checkpoint is from the middle of a training, where the queries still attend under masks. "
         "Give one of the end of the training.");
  }
}

}  // namespace

torch::jit::Module build_eomt(const std::vector<NamedTensor>& backbone, const std::vector<NamedTensor>& head,
                              at::ScalarType dtype, const CastTensor& cast) {
  const EomtDims dims = checked_eomt_dims(shapes_of(backbone), shapes_of(head));
  check_mask_probabilities(head);
  TensorTaker taker(dtype, cast);
  taker.take(backbone_keys(dims), backbone, backbone_prefix);
  taker.take(eomt_head_keys(dims), head);
  return build_module(parse_sources(torchscript_sources()), "Eomt", eomt_constants(dims), taker.tensors());
}

}  // namespace dinov3_seg
