// Chains of linear layers of a network, multiplied out for the one that predicts.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "models/weight_stream.h"

namespace dinov3_seg {

/// A weight of a folded chain: its name in the network that holds it in the place of its factors, and the
/// name of the factor whose dtype it has.
struct FoldedTensor {
  std::string name;
  at::Tensor tensor;
  std::string like;
};

/// Folded are:
///   the adapter's fc1, up and norm1, and the pixel decoder's lateral convolution, which alone reads their
///   map (FineMap in adapter.py)
///   offsets and logits of each of the adapter's extractors as one product (places in
///   deformable_attention.py)
///   offsets, logits and values of each of the pixel decoder's encoder layers as one product; what positions
///   add to offsets and logits, of rows and columns (PlacedAttention in deformable_attention.py)
///   the pixel decoder's mask_feature and the last layer of the predictor's mask_embed (mask_kernels in
///   predictor.py), so that the masks of a level can be made at its size
/// A detector's input convolution is taken apart instead (folded_detector.h).
struct FoldedChains {
  std::vector<FoldedTensor> tensors;
};

/// The products, made in float64 and kept in the dtype that the pixel decoder's factor has, the widest in the
/// chain. Nothing for a network that is not a segmentor or a detector of convert's classes and keys, and for
/// one whose backbone lacks what the sources call: it runs as it is.
std::optional<FoldedChains> fold_chains(const torch::jit::Module& stored);

/// Bytes that the products add to a network with these tensors, under their names in it; 0 for one of other
/// keys. No value is read.
int64_t folded_bytes(const std::vector<NamedTensor>& tensors);

/// The network that runs: the chains in the dtypes of their factors in `stored` now, with which it shares the
/// memory of all other tensors, streamed ones (null: none) included, and the backbone's code. It gives what
/// `stored` gives but for roundings, in the methods of is_folded_method().
torch::jit::Module folded_network(const torch::jit::Module& stored, const FoldedChains& chains,
                                  c10::Device device, const WeightStream* stream);

/// Puts the products that a folded_network() holds in the place of equal ones that are elsewhere, so that a
/// second network of them shares their memory.
void share_products(FoldedChains& chains, const torch::jit::Module& folded);

/// Whether a method predicts. `taps` shows the parts of the file's network, and features are the backbone's
/// own.
bool is_folded_method(const std::string& method);

/// Whether the network that runs lacks a tensor of `stored`, by its name there: a product has it.
bool is_folded_factor(const std::string& stored);

/// Puts the memory of the tensors of `stored` in the place of those of `running`, a copy of it or of a
/// folded_network(), that are neither products nor in another dtype.
void share_tensors(const torch::jit::Module& running, const torch::jit::Module& stored,
                   const WeightStream* stream);

}  // namespace dinov3_seg
