#include "models/convert.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"
#include "models/backbone_weights.h"
#include "models/builder.h"
#include "models/deferred_tensors.h"
#include "models/streamed_archive.h"
#include "models/value_checks.h"

namespace dinov3_seg {
namespace {

/// Whether the tensor's memory is it alone, row by row, so that it can be written as it lies.
bool fills_its_storage(const at::Tensor& tensor) {
  return tensor.numel() > 0 && tensor.is_contiguous() && tensor.storage_offset() == 0 &&
         tensor.storage().nbytes() == tensor.nbytes();
}

/// Defers every tensor to the moment when it is written: it is made, looked at and cast then.
class WrittenTensors {
 public:
  explicit WrittenTensors(DeferredTensors& deferred) : deferred_(deferred) {}

  at::Tensor operator()(const std::string& key, const at::Tensor& tensor, at::ScalarType stored) {
    // Tensors that share memory keep doing so.
    if (tensor.scalar_type() == stored && !fills_its_storage(tensor)) {
      checks.look_at(key, tensor, tensor);
      return tensor;
    }
    return deferred_.add(meta_of_cast(tensor, stored), [this, key, tensor, stored] {
      const at::Tensor given = deferred_.values_of(tensor), written = given.to(stored);
      checks.look_at(key, given, written);
      return written;
    });
  }

  ValueChecks checks;

 private:
  DeferredTensors& deferred_;
};

}  // namespace

ConvertedNetwork convert_network(const ConvertSettings& settings) {
  const bool detector = settings.task == Task::detection;
  if (detector && !settings.head) fail("INVALID_ARGUMENT", "A detector needs a head: --head FILE");
  DeferredTensors deferred;
  WrittenTensors written(deferred);
  BackboneWeights backbone = read_backbone(settings.backbone, deferred);
  const SourceTensors head = settings.head ? read_source(*settings.head) : SourceTensors();
  ConvertedNetwork result;
  result.notes = std::move(backbone.notes);
  result.notes.insert(result.notes.end(), head.notes.begin(), head.notes.end());
  const auto shapes = shapes_of(backbone.tensors), head_shapes = shapes_of(head.tensors);
  const bool alone = !detector && has_only_linear_head(head_shapes);
  const auto build = detector ? build_detector : alone ? build_backbone : build_segmentor;
  const torch::jit::Module module = build(backbone.tensors, head.tensors, settings.dtype, std::ref(written));
  save_streamed(module, deferred, settings.out, settings.normalization, [&] {
    const std::string files = settings.backbone.path + (settings.head ? " and " + settings.head->path : "");
    written.checks.check(files, backbone.origins);
  });
  if (alone)
    result.dims = read_backbone_network_dims(shapes, head_shapes);
  else if (detector)
    result.dims = read_detector_dims(shapes, head_shapes);
  else
    result.dims = read_dims(shapes, head_shapes);
  return result;
}

}  // namespace dinov3_seg
