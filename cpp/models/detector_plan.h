// What a detector consists of, without any tensor data. Source: the key list of the released
// `dinov3_vit7b16_coco_detr_head` file.
#pragma once

#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <vector>

#include "models/backbone_plan.h"

namespace dinov3_seg {

/// Windows along each side of an image; not stored in a checkpoint.
inline constexpr int64_t detector_windows = 3;
/// Groups of the input projection's GroupNorm.
inline constexpr int64_t detector_norm_groups = 32;
/// Key prefix of the backbone inside the finished network, as in the reference's full state dict.
inline constexpr const char* detector_backbone_prefix = "backbone.0._backbone.backbone.";

/// Every number that a detector's tensor shapes depend on.
struct DetectorDims : BackboneDims {
  int64_t hidden_dim = 0;
  int64_t heads = 0;     ///< of every attention of the head
  int64_t bias_dim = 0;  ///< hidden width of the position bias
  int64_t encoder_layers = 0;
  int64_t encoder_feed_forward_dim = 0;
  int64_t decoder_layers = 0;
  int64_t decoder_feed_forward_dim = 0;
  int64_t classes = 0;
  int64_t stored_queries = 0;

  /// Those that inference uses, the first half.
  int64_t queries() const { return stored_queries / 2; }
  /// Channels of the backbone's features: the tapped layers of the whole image and of its windows.
  int64_t feature_dim() const { return 2 * 4 * embed_dim; }
  bool operator==(const DetectorDims&) const = default;
};

/// Reads the dimensions from a backbone's and a detection head's shapes (head keys as released, without
/// `model.`). Looks only at the keys it needs: check_keys() does the rest. Errors: CHECKPOINT_KEYS where such
/// a key is missing or impossible, or the head is a segmentor's; HEAD_MISMATCH where the head was made for a
/// backbone of another width.
DetectorDims read_detector_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// The same, with every key checked: also CHECKPOINT_KEYS for any that is missing, superfluous or of another
/// shape.
DetectorDims checked_detector_dims(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head);

/// Every key of the head's file, in its order. The decoder's class_embed and bbox_embed repeat the outer
/// ones.
std::vector<KeyShape> detector_head_keys(const DetectorDims& dims);

/// Blocks whose output the head takes, first to last: the ends of four even intervals.
std::vector<int64_t> detector_tapped_layers(int64_t depth);

/// Throws SHAPE where a detector does not take images of these sizes: B×3×H×W, H and W multiples of 16 from
/// 80, large enough for as many proposals as there are queries. Proposals are the places of its maps at
/// strides 8, 16, 32 and 64.
void check_detector_input(c10::IntArrayRef images, int64_t queries);

}  // namespace dinov3_seg
