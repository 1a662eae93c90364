// A detector that predicts: its input convolution in halves (DetectorInput in detector.py).
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>

#include "models/folded_chains.h"

namespace dinov3_seg {

/// Whether a module is of the class that the sources call Detector.
bool is_detector(const torch::jit::Module& module);

/// The halves of the input convolution, which share its memory where they have its dtype and device: of the
/// whole image's features, which it takes before they are resized, and of the windows'. Nothing for a network
/// that is not a detector of convert's classes and keys, or whose backbone lacks what the sources call.
std::optional<FoldedChains> fold_detector(const torch::jit::Module& stored);

/// What folded_network() (folded_chains.h) gives for a detector.
torch::jit::Module folded_detector(const torch::jit::Module& stored, const FoldedChains& chains,
                                   c10::Device device, const WeightStream* stream);

}  // namespace dinov3_seg
