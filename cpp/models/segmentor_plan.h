// What a segmentor consists of, without any tensor data: dimensions from checkpoint shapes, and the full list
// of keys that follows from them. Source: the key list of the released `dinov3_vit7b16_ade20k_m2f_head` file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/backbone_plan.h"

namespace dinov3_seg {

/// Heads of the deformable attentions and of the predictor's attentions; not stored in a checkpoint.
inline constexpr int64_t attention_heads = 16;
/// Sampling points a head and level of deformable attention.
inline constexpr int64_t sampling_points = 4;
/// Groups of every GroupNorm of the pixel decoder.
inline constexpr int64_t norm_groups = 32;
/// Levels of the pixel decoder's encoder: 1/32, 1/16, 1/8.
inline constexpr int64_t encoder_levels = 3;
/// Key prefix of the backbone inside the finished network; its own file has none.
inline constexpr const char* backbone_prefix = "segmentation_model.0.backbone.";
inline constexpr const char* class_embed_prefix = "segmentation_model.1.predictor.class_embed.";

/// Every number that a segmentor's tensor shapes depend on.
struct SegmentorDims : BackboneDims {
  // Adapter
  int64_t conv_inplanes = 0;      ///< channels of the spatial prior's stem
  int64_t adapter_value_dim = 0;  ///< value width of the extractors' attention
  int64_t adapter_feed_forward_dim = 0;
  // Pixel decoder
  int64_t hidden_dim = 0;
  int64_t encoder_layers = 0;
  int64_t encoder_feed_forward_dim = 0;
  // Predictor
  int64_t queries = 0;
  int64_t decoder_layers = 0;
  int64_t decoder_feed_forward_dim = 0;
  int64_t classes = 0;  ///< outputs of class_embed, "no object" included where the head has one

  bool operator==(const SegmentorDims&) const = default;
};

/// Numbers of parameters (no buffers).
struct ParameterCounts {
  int64_t backbone = 0;
  int64_t adapter = 0;
  int64_t pixel_decoder = 0;
  int64_t predictor = 0;  ///< without class_embed
  int64_t trained = 0;    ///< class_embed
  int64_t frozen() const { return backbone + adapter + pixel_decoder + predictor; }
};

/// Reads the dimensions from a backbone's and a head's shapes (head keys as released:
/// `segmentation_model.…`). Looks only at the keys it needs: check_keys() does the rest. Errors:
/// CHECKPOINT_KEYS where such a key is missing or impossible, or the head is a detector's, HEAD_MISMATCH
/// where the head was made for a backbone of another width.
SegmentorDims read_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// The same, with every key checked: also CHECKPOINT_KEYS for any that is missing, superfluous or of another
/// shape.
SegmentorDims checked_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// Every key of the head's file (all but the backbone), in its order.
std::vector<KeyShape> head_keys(const SegmentorDims& dims);

ParameterCounts count_parameters(const SegmentorDims& dims, int64_t classes);

/// Blocks whose output the adapter takes, first to last: four even intervals, and 4, 11, 17, 23 for a depth
/// of 24.
std::vector<int64_t> tapped_layers(int64_t depth);

}  // namespace dinov3_seg
