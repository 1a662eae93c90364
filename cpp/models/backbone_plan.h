// What a backbone consists of: dimensions from checkpoint shapes, and the keys that follow from them. Source:
// the key list of the released `dinov3_vit7b16_pretrain_lvd1689m` file.
#pragma once

#include <cstdint>
#include <vector>

#include "models/key_shapes.h"

namespace dinov3_seg {

/// Pixels a side of a patch.
inline constexpr int64_t patch_size = 16;

enum class FeedForward { mlp, swiglu };

/// Every number that a backbone's tensor shapes depend on.
struct BackboneDims {
  int64_t embed_dim = 0;       ///< token width
  int64_t depth = 0;           ///< blocks; at least 4
  int64_t storage_tokens = 0;  ///< register tokens between the class token and the patches
  int64_t rope_periods = 0;    ///< a quarter of a head's width
  FeedForward feed_forward = FeedForward::swiglu;
  int64_t feed_forward_dim = 0;
  bool qkv_bias = false;
  bool qkv_bias_mask = false;   ///< the bias is multiplied by a stored mask
  bool local_cls_norm = false;  ///< the file holds a norm that inference does not use

  bool operator==(const BackboneDims&) const = default;
};

/// Reads the dimensions from a backbone's shapes; looks only at the keys it needs. Errors: CHECKPOINT_KEYS
/// where such a key is missing or impossible.
BackboneDims read_backbone_dims(const std::vector<KeyShape>& backbone);

/// Every key of the backbone's file, in its order.
std::vector<KeyShape> backbone_keys(const BackboneDims& dims);

/// Elements of a key's tensor, 0 for a buffer.
int64_t parameters_of(const KeyShape& key);

}  // namespace dinov3_seg
