#include "models/cast.h"

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "core/error.h"
#include "models/builder.h"
#include "models/plan.h"

namespace dinov3_seg {
namespace {

using TensorMap = std::map<std::string, at::Tensor>;

TensorMap tensors_of(const torch::jit::Module& module) {
  TensorMap tensors;
  for (const auto& entry : module.named_parameters()) tensors.emplace(entry.name, entry.value);
  for (const auto& entry : module.named_buffers()) tensors.emplace(entry.name, entry.value);
  return tensors;
}

SegmentorDims dims_of(const TensorMap& tensors) {
  const std::string prefix = backbone_prefix;
  std::vector<NamedTensor> backbone, head;
  for (const auto& [name, tensor] : tensors) {
    if (name.rfind(prefix, 0) == 0)
      backbone.push_back({name.substr(prefix.size()), tensor});
    else
      head.push_back({name, tensor});
  }
  try {
    return read_dims(shapes_of(backbone), shapes_of(head));
  } catch (const Error& error) {
    fail("MODEL_FORMAT", "only a network made by convert can be cast on loading (this one: ", error.what(),
         "); load it with dtype stored");
  }
}

void set_tensor(torch::jit::Module module, const std::string& name, const at::Tensor& tensor) {
  size_t start = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
    module = module.attr(name.substr(start, dot - start)).toModule();
    start = dot + 1;
  }
  module.setattr(name.substr(start), tensor);
}

}  // namespace

void cast_segmentor(torch::jit::Module& module, at::ScalarType dtype) {
  TensorMap tensors = tensors_of(module);
  const SegmentorDims dims = dims_of(tensors);
  const auto cast = [&](const std::string& prefix, const std::vector<KeyShape>& keys) {
    for (const KeyShape& key : keys) {
      const auto found = tensors.extract(prefix + key.name);
      if (found.empty())
        fail("MODEL_FORMAT", "the network has no tensor ", prefix, key.name, "; load it with dtype stored");
      const at::Tensor converted = apply_dtype(key, found.mapped(), dtype);
      if (!converted.is_same(found.mapped())) set_tensor(module, prefix + key.name, converted);
    }
  };
  cast(backbone_prefix, backbone_keys(dims));
  cast("", head_keys(dims));
}

}  // namespace dinov3_seg
