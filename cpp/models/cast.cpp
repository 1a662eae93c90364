#include "models/cast.h"

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "core/error.h"
#include "models/backbone_network_plan.h"
#include "models/builder.h"
#include "models/segmentor_plan.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

using TensorMap = std::map<std::string, at::Tensor>;

TensorMap tensors_of(const torch::jit::Module& module) {
  TensorMap tensors;
  for (const auto& entry : module.named_parameters()) tensors.emplace(entry.name, entry.value);
  for (const auto& entry : module.named_buffers()) tensors.emplace(entry.name, entry.value);
  return tensors;
}

/// Shapes of a network's tensors as its two checkpoints held them.
struct CheckpointShapes {
  std::vector<KeyShape> backbone, head;
};

CheckpointShapes checkpoint_shapes(const TensorMap& tensors, const std::string& prefix) {
  CheckpointShapes shapes;
  for (const auto& [name, tensor] : tensors) {
    const bool own = name.starts_with(prefix);
    (own ? shapes.backbone : shapes.head)
        .push_back({own ? name.substr(prefix.size()) : name, tensor.sizes().vec(), tensor.scalar_type()});
  }
  return shapes;
}

void set_tensor(torch::jit::Module module, const std::string& name, const at::Tensor& tensor) {
  size_t start = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
    module = module.attr(name.substr(start, dot - start)).toModule();
    start = dot + 1;
  }
  module.setattr(name.substr(start), tensor);
}

/// `read` gives the dimensions of a backbone's and a head's shapes, `head_keys_of` the head's keys.
template <typename Read, typename HeadKeys>
void cast_network(torch::jit::Module& module, at::ScalarType dtype, const std::string& prefix, Read read,
                  HeadKeys head_keys_of) {
  TensorMap tensors = tensors_of(module);
  const auto cast = [&](const std::string& before, const std::vector<KeyShape>& keys) {
    for (const KeyShape& key : keys) {
      if (!key.repeats.empty()) continue;
      const auto found = tensors.extract(before + key.name);
      if (found.empty())
        fail("MODEL_FORMAT", "the network has no tensor ", before, key.name, "; load it with dtype stored");
      // Those of another network, which it shares.
      if (is_quantized(found.mapped())) continue;
      const at::Tensor converted = apply_dtype(key, found.mapped(), dtype);
      if (!converted.is_same(found.mapped())) set_tensor(module, before + key.name, converted);
    }
  };
  const CheckpointShapes shapes = checkpoint_shapes(tensors, prefix);
  const auto dims = [&] {
    try {
      return read(shapes.backbone, shapes.head);
    } catch (const Error& error) {
      fail("MODEL_FORMAT",
           "only a network made by convert can be cast while loading (this one: ", error.what(),
           "); load it with dtype stored");
    }
  }();
  cast(prefix, backbone_keys(dims));
  cast("", head_keys_of(dims));
}

}  // namespace

void cast_segmentor(torch::jit::Module& module, at::ScalarType dtype) {
  const std::vector<KeyShape> head = checkpoint_shapes(tensors_of(module), backbone_prefix).head;
  if (has_only_linear_head(head))
    cast_network(module, dtype, backbone_prefix, read_backbone_network_dims, linear_head_keys);
  else if (is_eomt(head))
    cast_network(module, dtype, backbone_prefix, read_eomt_dims, eomt_head_keys);
  else
    cast_network(module, dtype, backbone_prefix, read_dims, head_keys);
}

void cast_detector(torch::jit::Module& module, at::ScalarType dtype) {
  cast_network(module, dtype, detector_backbone_prefix, read_detector_dims, detector_head_keys);
}

}  // namespace dinov3_seg
