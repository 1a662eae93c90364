// A backbone from any publisher's files, under Meta's names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/checkpoint_source.h"
#include "models/deferred_tensors.h"

namespace dinov3_seg {

struct BackboneWeights {
  std::vector<NamedTensor> tensors;            ///< under Meta's names; joined matrices are placeholders
  std::map<std::string, std::string> origins;  ///< Meta's key to the file's names, where they differ
  std::vector<std::string> notes;  ///< layout, prefixes, what was derived or left out: a line each
};

/// Finds the backbone among a source's tensors and brings it under Meta's names (key_layouts.h). What a file
/// may lack is derived:
///   rope_embed.periods   base ** (2·i / (D/2)), i from 0 to D/4, in float32; D is a head's width, base is
///                        config.json's rope_theta or 100. The number of heads is config.json's or that of
///                        the released backbones of this width
///   mask_token           zeros: only training uses it
///   attn.qkv.bias        zeros for keys where the file has a bias for queries and values alone
///   attn.qkv.bias_mask   0 for keys, 1 otherwise, where the bias for keys was absent or the mask is not
///                        finite. Biases that a mask removes are written as zeros
/// Source: dinov3/layers/rope_position_encoding.py and attention.py of the reference.
///
/// Throws what read_source throws, and CHECKPOINT_KEYS for another layout, another network (ConvNeXt,
/// DINOv2), another patch size, keys that are missing, unexpected or misshapen, or an unknown number of
/// heads.
BackboneWeights read_backbone(const CheckpointSource& source, DeferredTensors& deferred);

}  // namespace dinov3_seg
