#include "models/builder.h"

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "models/module_tree.h"
#include "models/script.h"
#include "models/sources.h"

namespace dinov3_seg {
namespace {

using TensorsByName = std::unordered_map<std::string_view, const at::Tensor*>;

TensorsByName by_name(const std::vector<NamedTensor>& tensors) {
  TensorsByName table;
  for (const auto& [name, tensor] : tensors) table.emplace(name, &tensor);
  return table;
}

std::map<std::string, c10::IValue> constants_for(const SegmentorDims& dims) {
  return {{"HEADS", attention_heads},
          {"POINTS", sampling_points},
          {"GROUPS", norm_groups},
          {"PATCH_SIZE", patch_size},
          {"TAPPED_LAYERS", tapped_layers(dims.depth)}};
}

}  // namespace

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
  return tensor.is_floating_point() ? tensor.to(stored) : tensor;
}

torch::jit::Module build_segmentor(const std::vector<NamedTensor>& backbone,
                                   const std::vector<NamedTensor>& head, at::ScalarType dtype) {
  return build_segmentor(backbone, head, dtype,
                         [](const at::Tensor& tensor, at::ScalarType stored) { return tensor.to(stored); });
}

torch::jit::Module build_segmentor(const std::vector<NamedTensor>& backbone,
                                   const std::vector<NamedTensor>& head, at::ScalarType dtype,
                                   const CastTensor& cast) {
  const auto backbone_shapes = shapes_of(backbone);
  const auto head_shapes = shapes_of(head);
  const SegmentorDims dims = read_dims(backbone_shapes, head_shapes);
  const auto wanted_backbone = backbone_keys(dims);
  const auto wanted_head = head_keys(dims);
  check_keys("backbone", wanted_backbone, backbone_shapes);
  check_keys("head", wanted_head, head_shapes);

  std::vector<NamedTensor> tensors;
  tensors.reserve(wanted_backbone.size() + wanted_head.size());
  const auto head_table = by_name(head);
  const auto backbone_table = by_name(backbone);
  // The order of the reference's full state dict: a module's own parameters, then its children, the backbone
  // first.
  const auto take = [&](const KeyShape& key, const TensorsByName& table, const std::string& prefix) {
    check_cancelled();
    const at::Tensor& tensor = *table.at(key.name);
    const at::ScalarType stored = stored_dtype(key, dtype);
    tensors.push_back({prefix + key.name, tensor.is_floating_point() ? cast(tensor, stored) : tensor});
  };
  take(wanted_head.front(), head_table, "");
  for (const auto& key : wanted_backbone) take(key, backbone_table, backbone_prefix);
  for (std::size_t i = 1; i < wanted_head.size(); ++i) take(wanted_head[i], head_table, "");
  return build_module(parse_sources(torchscript_sources()), "Segmentor", constants_for(dims), tensors);
}

}  // namespace dinov3_seg
