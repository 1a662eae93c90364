#include "models/convert.h"

#include "core/checkpoint.h"
#include "models/builder.h"
#include "models/late_tensors.h"
#include "models/streamed_archive.h"

namespace dinov3_seg {

SegmentorDims convert_segmentor(const ConvertPaths& paths, at::ScalarType dtype) {
  const Checkpoint backbone = read_checkpoint(paths.backbone), head = read_checkpoint(paths.head);
  LateTensors late;
  const auto cast_when_written = [&](const at::Tensor& tensor, at::ScalarType stored) {
    if (tensor.scalar_type() == stored) return tensor;
    return late.add(meta_of_cast(tensor, stored), [tensor, stored] { return tensor.to(stored); });
  };
  const torch::jit::Module module = build_segmentor(backbone.tensors, head.tensors, dtype, cast_when_written);
  save_streamed(module, late, paths.out);
  return read_dims(shapes_of(backbone.tensors), shapes_of(head.tensors));
}

}  // namespace dinov3_seg
