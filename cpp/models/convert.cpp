#include "models/convert.h"

#include <torch/csrc/jit/serialization/export.h>

#include "core/atomic_file.h"
#include "core/checkpoint.h"
#include "models/builder.h"

namespace dinov3_seg {

SegmentorDims convert_segmentor(const ConvertPaths& paths, at::ScalarType dtype) {
  const Checkpoint backbone = read_checkpoint(paths.backbone), head = read_checkpoint(paths.head);
  const torch::jit::Module module = build_segmentor(backbone.tensors, head.tensors, dtype);
  AtomicFile file(paths.out);
  torch::jit::ExportModule(module, file.writer());
  file.commit();
  return read_dims(shapes_of(backbone.tensors), shapes_of(head.tensors));
}

}  // namespace dinov3_seg
