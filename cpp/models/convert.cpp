#include "models/convert.h"

#include "core/checkpoint.h"
#include "models/builder.h"
#include "models/deferred_tensors.h"
#include "models/streamed_archive.h"

namespace dinov3_seg {
namespace {

/// Writes the network that `build` makes of the two files; gives what `read` reads of their shapes.
template <typename Build, typename Read>
auto convert_network(const ConvertPaths& paths, at::ScalarType dtype, Build build, Read read) {
  const Checkpoint backbone = read_checkpoint(paths.backbone), head = read_checkpoint(paths.head);
  DeferredTensors deferred;
  const auto cast_when_written = [&](const at::Tensor& tensor, at::ScalarType stored) {
    if (tensor.scalar_type() == stored) return tensor;
    return deferred.add(meta_of_cast(tensor, stored), [tensor, stored] { return tensor.to(stored); });
  };
  const torch::jit::Module module = build(backbone.tensors, head.tensors, dtype, cast_when_written);
  save_streamed(module, deferred, paths.out, paths.normalization);
  return read(shapes_of(backbone.tensors), shapes_of(head.tensors));
}

}  // namespace

SegmentorDims convert_segmentor(const ConvertPaths& paths, at::ScalarType dtype) {
  return convert_network(paths, dtype, build_segmentor, read_dims);
}

DetectorDims convert_detector(const ConvertPaths& paths, at::ScalarType dtype) {
  return convert_network(paths, dtype, build_detector, read_detector_dims);
}

}  // namespace dinov3_seg
