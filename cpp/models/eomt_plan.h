// What an EoMT network consists of: dimensions from checkpoint shapes, and the keys that follow from them.
// Source: transformers' EomtDinov3ForUniversalSegmentation and the key list of the authors' repository.
#pragma once

#include <cstdint>
#include <vector>

#include "models/backbone_plan.h"

namespace dinov3_seg {

/// Key prefix of everything but the backbone.
inline constexpr const char* eomt_head_prefix = "segmentation_model.1.";
inline constexpr const char* eomt_class_embed_prefix = "segmentation_model.1.class_embed.";

/// Every number that the tensor shapes of an EoMT network depend on. Its queries are as wide as its tokens.
struct EomtDims : BackboneDims {
  int64_t queries = 0;
  int64_t query_blocks = 0;    ///< last blocks of the backbone, which carry the queries as well
  int64_t upscale_blocks = 0;  ///< each doubles the sides of the map of mask features
  int64_t classes = 0;         ///< outputs of class_embed, "no object" included

  bool operator==(const EomtDims&) const = default;
};

/// Whether a network's or a head's keys, with their prefixes, are those of an EoMT network.
bool is_eomt(const std::vector<KeyShape>& keys);

/// Reads the dimensions from a backbone's and a head's shapes (head keys: `segmentation_model.1.…`). Looks
/// only at the keys it needs: check_keys() does the rest. Errors: CHECKPOINT_KEYS where such a key is missing
/// or impossible, HEAD_MISMATCH where the head was made for a backbone of another width.
EomtDims read_eomt_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// The same, with every key checked: also CHECKPOINT_KEYS for any that is missing, superfluous or of another
/// shape.
EomtDims checked_eomt_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// Every key but the backbone's, in its order.
std::vector<KeyShape> eomt_head_keys(const EomtDims& dims);

/// Numbers of parameters (no buffers).
struct EomtParameterCounts {
  int64_t frozen = 0;
  int64_t trained = 0;  ///< class_embed
};
/// `classes`: outputs of class_embed.
EomtParameterCounts count_eomt_parameters(const EomtDims& dims, int64_t classes);

}  // namespace dinov3_seg
