// How long the parts of a network take, for benches.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "models/cuda_graph_runner.h"

namespace dinov3_seg {

struct PartTime {
  std::string part;  // backbone and, of a segmentor, adapter, pixel_decoder, predictor; of EoMT, mask_head;
                     // of a detector, encoder, proposals, decoder
  double milliseconds;
};

/// Mean time of each part alone over `repeat` passes of normalised images B×3×H×W, device included. Where
/// `runner` repeats recordings, copying a part's inputs into them is part of its time. Throws MODEL_FORMAT
/// for a network that convert did not make.
std::vector<PartTime> part_times(const torch::jit::Module& module, const at::Tensor& images,
                                 CudaGraphRunner& runner, int64_t repeat);

}  // namespace dinov3_seg
