// Weights of networks that people take for DINOv3 ViTs.
#pragma once

#include <string>
#include <vector>

#include "core/named_tensor.h"

namespace dinov3_seg {

/// Throws CHECKPOINT_KEYS, naming what it is, for a ConvNeXt, for a ViT with learned position embeddings
/// (DINOv2 and older ones) and for a ViT whose patches are not 16×16 pixels. `path` names the file. Told by
/// the keys of Meta's, Hugging Face's and timm's files, whatever stands before them.
void refuse_other_networks(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace dinov3_seg
