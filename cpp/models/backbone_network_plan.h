// What a backbone alone consists of as a network: its own keys and, where it has one, those of a linear head.
// Source of the head's keys: the reference's linear segmentor (dinov3/eval/segmentation).
#pragma once

#include <cstdint>
#include <vector>

#include "models/backbone_plan.h"

namespace dinov3_seg {

/// Key prefix of a linear head, in the network and in its own file.
inline constexpr const char* linear_head_prefix = "segmentation_model.1.";

/// Every number that the tensor shapes of a backbone alone depend on.
struct BackboneNetworkDims : BackboneDims {
  int64_t classes = 0;      ///< outputs of the linear head; 0: there is none
  int64_t head_layers = 0;  ///< tapped layers that the head reads, 1 or 4

  bool operator==(const BackboneNetworkDims&) const = default;
};

/// Whether all keys of a network outside the backbone are a linear head's; also of none at all.
bool has_only_linear_head(const std::vector<KeyShape>& head);

/// Reads the dimensions from a backbone's and a linear head's shapes; `head` is empty where there is none.
/// Looks only at the keys it needs: check_keys() does the rest. Errors: CHECKPOINT_KEYS where such a key is
/// missing or impossible, HEAD_MISMATCH where the head was made for a backbone of another width.
BackboneNetworkDims read_backbone_network_dims(const std::vector<KeyShape>& backbone,
                                               const std::vector<KeyShape>& head);

/// The same, with every key checked: also CHECKPOINT_KEYS for any that is missing, superfluous or of another
/// shape.
BackboneNetworkDims checked_backbone_network_dims(const std::vector<KeyShape>& backbone,
                                                  const std::vector<KeyShape>& head);

/// Every key of the linear head, with its prefix; none without a head. All are float32: it is the part that
/// is trained.
std::vector<KeyShape> linear_head_keys(const BackboneNetworkDims& dims);

/// Blocks whose output a backbone alone gives, first to last: those that a segmentor taps, but the last is
/// the last block for every depth.
std::vector<int64_t> backbone_layers(int64_t depth);

}  // namespace dinov3_seg
