#include "models/convert.h"

#include <ATen/ATen.h>

#include <iterator>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/page_allocator.h"
#include "models/backbone_weights.h"
#include "models/builder.h"
#include "models/deferred_tensors.h"
#include "models/eomt_weights.h"
#include "models/head_weights.h"
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
      const at::Tensor given = deferred_.values_of(tensor), written = cast_page_allocated(given, stored);
      checks.look_at(key, given, written);
      return written;
    });
  }

  ValueChecks checks;

 private:
  DeferredTensors& deferred_;
};

/// What a network is made of, whatever the files.
struct NetworkWeights {
  BackboneWeights backbone;  ///< with the notes on the head
  std::vector<NamedTensor> head;
  bool eomt = false;
};

NetworkWeights of_eomt(EomtWeights weights) {
  return {std::move(weights.backbone), std::move(weights.head), true};
}

/// The roles of the files decide what they may hold.
void check_roles(const ConvertSettings& settings, std::optional<EomtFile> backbone,
                 std::optional<EomtFile> head) {
  const std::string& path = settings.backbone.path;
  if ((backbone || head) && settings.task == Task::detection)
    fail("INVALID_ARGUMENT", (backbone ? path : settings.head->path),
         " is an EoMT network, which segments. Leave out --task detection.");
  if (backbone == EomtFile::differences)
    fail(
        "CHECKPOINT_KEYS", path,
        " holds an EoMT network's differences to its DINOv3 backbone. Give the backbone with --backbone, and "
        "this file with --head.");
  if (backbone && settings.head)
    fail("CHECKPOINT_KEYS", path, " is a whole EoMT network, backbone included. Leave out --head.");
  if (head == EomtFile::whole)
    fail("CHECKPOINT_KEYS", settings.head->path,
         " is a whole EoMT network, backbone included. Give it with --backbone, and no --head.");
}

NetworkWeights read_weights(const ConvertSettings& settings, DeferredTensors& deferred) {
  SourceTensors given = read_source(settings.backbone);
  SourceTensors head = settings.head ? read_head(*settings.head) : SourceTensors();
  const auto backbone_eomt = eomt_file(given.tensors), head_eomt = eomt_file(head.tensors);
  check_roles(settings, backbone_eomt, head_eomt);
  if (backbone_eomt) return of_eomt(read_eomt(std::move(given), settings.backbone, deferred));
  BackboneWeights backbone = backbone_among(std::move(given), settings.backbone, deferred);
  if (head_eomt)
    return of_eomt(add_differences(std::move(backbone), std::move(head), *settings.head, deferred));
  std::move(head.notes.begin(), head.notes.end(), std::back_inserter(backbone.notes));
  return {std::move(backbone), std::move(head.tensors)};
}

}  // namespace

ConvertedNetwork convert_network(const ConvertSettings& settings) {
  const bool detector = settings.task == Task::detection;
  if (detector && !settings.head) fail("INVALID_ARGUMENT", "A detector needs a head: --head FILE");
  DeferredTensors deferred;
  WrittenTensors written(deferred);
  NetworkWeights weights = read_weights(settings, deferred);
  const auto& [backbone, head, eomt] = weights;
  const auto shapes = shapes_of(backbone.tensors), head_shapes = shapes_of(head);
  ConvertedNetwork result;
  const auto write = [&](const auto& build, const auto& read) {
    const torch::jit::Module module = build(backbone.tensors, head, settings.dtype, std::ref(written));
    save_streamed(module, deferred, settings.out, settings.normalization, [&] {
      const std::string files = settings.backbone.path + (settings.head ? " and " + settings.head->path : "");
      written.checks.check(files, backbone.origins);
    });
    result.dims = read(shapes, head_shapes);
  };
  if (eomt)
    write(build_eomt, read_eomt_dims);
  else if (detector)
    write(build_detector, read_detector_dims);
  else if (has_only_linear_head(head_shapes))
    write(build_backbone, read_backbone_network_dims);
  else
    write(build_segmentor, read_dims);
  result.notes = std::move(weights.backbone.notes);
  return result;
}

}  // namespace dinov3_seg
