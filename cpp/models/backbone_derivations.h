// What a backbone's file may lack and the network has, under Meta's names.
#pragma once

#include <string>
#include <vector>

#include "models/checkpoint_source.h"

namespace dinov3_seg {

/// Adds rope_embed.periods where the file has none:
///   base ** (2·i / (D/2)), i from 0 to D/4, in float32
/// D is a head's width, base config.json's rope_theta or 100. The number of heads is that of the source's
/// config, or that of the released backbones of this width. Periods that were rounded to 16 bits with the
/// other weights are computed anew. CHECKPOINT_KEYS where nothing tells the number of heads, or it
/// contradicts the file. Source: dinov3/layers/rope_position_encoding.py of the reference.
void derive_rope_periods(const CheckpointSource& source, std::vector<NamedTensor>& tensors,
                         std::vector<std::string>& notes);

/// The same, and
///   mask_token                   zeros where it is absent: only training uses it
///   mask_token, local_cls_norm   zeros for values that are not finite: inference does not use them
///   attn.qkv.bias_mask           0 for keys and 1 otherwise, where `lacks_key_bias` or the file's is not
///   finite attn.qkv.bias                zeros where the mask is 0, as it has no effect there
/// Source: LinearKMaskedBias in dinov3/layers/attention.py of the reference. A line in `notes` for each.
void derive_missing(const CheckpointSource& source, bool lacks_key_bias, std::vector<NamedTensor>& tensors,
                    std::vector<std::string>& notes);

}  // namespace dinov3_seg
