// Networks with random weights, for the demo, benches and tests: the structure of the released ones at any
// size.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/backbone_network_plan.h"
#include "models/builder.h"
#include "models/detector_plan.h"
#include "models/eomt_plan.h"
#include "models/random_values.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

/// A network before it has weights: the keys of its two files, in the order of the released ones, and what
/// builds it of them.
struct NetworkShape {
  std::vector<KeyShape> backbone, head;
  torch::jit::Module (*build)(const std::vector<NamedTensor>& backbone, const std::vector<NamedTensor>& head,
                              at::ScalarType dtype, const CastTensor& cast);
};
NetworkShape network_shape(const SegmentorDims& dims);
NetworkShape network_shape(const DetectorDims& dims);
NetworkShape network_shape(const EomtDims& dims);
NetworkShape network_shape(const BackboneNetworkDims& dims);
/// Of a name of presets.h that SegmentationModel runs. Throws INVALID_ARGUMENT with their names.
NetworkShape segmentation_shape(const std::string& architecture);
/// Of any name of presets.h. Throws INVALID_ARGUMENT with the names of segmentation_shape().
NetworkShape network_shape(const std::string& architecture);

/// The two files of a network, keys in the order of the released ones.
struct NetworkCheckpoint {
  std::vector<NamedTensor> backbone;
  std::vector<NamedTensor> head;
};

/// What weights are drawn from, and where.
struct Randomness {
  uint64_t seed = 0;
  c10::Device device = c10::kCPU;
};

/// Random weights of one key on the device, float32 (or the key's own integers). The same seed gives the same
/// bits on every machine and device: no library's random generator takes part. Scales are chosen so that the
/// untrained network is of use at any size: activations keep their size, sampling offsets reach a few pixels,
/// every query has a mask of its own that follows the image and is neither full nor empty, and a trained
/// class_embed can tell the queries apart; a detector's boxes stay near to where they begin, and a few in a
/// hundred score above a half. `path` as in random_tensor.
at::Tensor draw_tensor(const KeyShape& key, const Randomness& random,
                       RandomPath path = RandomPath::by_device);

/// All of them, float32 on the CPU.
NetworkCheckpoint init_checkpoint(const NetworkShape& shape, uint64_t seed);

/// The network of such weights on the device, `dtype` as in build_segmentor. Each tensor is drawn and cast on
/// the device, one at a time. `backbone`: weights to take for the backbone, those of its keys in their stored
/// dtype; drawn where it is empty. Reports bytes drawn. Throws OUT_OF_MEMORY, ABORTED.
torch::jit::Module init_network(const NetworkShape& shape, at::ScalarType dtype, const Randomness& random,
                                const std::vector<NamedTensor>& backbone = {});

/// Writes that network as a TorchScript file, drawing a tensor at a time as it is written. Throws as
/// save_streamed does.
void write_random_network(const NetworkShape& shape, at::ScalarType dtype, const Randomness& random,
                          const std::string& path);

}  // namespace dinov3_seg
