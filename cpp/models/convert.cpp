#include "models/convert.h"

#include "core/checkpoint.h"
#include "models/archive.h"
#include "models/builder.h"

namespace dinov3_seg {

SegmentorDims convert_segmentor(const ConvertPaths& paths, at::ScalarType dtype) {
  const Checkpoint backbone = read_checkpoint(paths.backbone), head = read_checkpoint(paths.head);
  const torch::jit::Module module = build_segmentor(backbone.tensors, head.tensors, dtype);
  save_archive(module, paths.out);
  return read_dims(shapes_of(backbone.tensors), shapes_of(head.tensors));
}

}  // namespace dinov3_seg
