// Dimensions of networks by name.
#pragma once

#include <string>
#include <vector>

#include "models/backbone_network_plan.h"
#include "models/detector_plan.h"
#include "models/eomt_plan.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

/// Dimensions by name. DINOv3's backbones with the structure of the released segmentation head; its hidden
/// width is 2048 for all of them:
///   dinov3_vit7b16_ade20k_m2f   the released network (7.6 billion parameters)
///   dinov3_vith16plus_m2f, dinov3_vitl16_m2f, dinov3_vitb16_m2f, dinov3_vits16plus_m2f, dinov3_vits16_m2f
///                               the smaller backbones; heads for them are not published
///   street-small                2.7 million parameters, the shape of the network that ships with the package
///   tiny                        the same structure with 1.1 million parameters, for 128–256 pixels on a CPU
/// Source of the backbones: dinov3/hub/backbones.py. Errors: INVALID_ARGUMENT with the names of all networks
/// that segment, and of backbones.
SegmentorDims preset(const std::string& name);

/// The names that preset() takes.
std::vector<std::string> preset_names();

/// The same for EoMT networks:
///   dinov3_vitl16_eomt          the structure of the authors' network for ADE20K: 100 queries in the last 4
///   blocks dinov3_vitb16_eomt, dinov3_vits16_eomt    the smaller backbones, with 100 queries in the last 3
///   blocks tiny-eomt                   the backbone of tiny, with 40 queries in the last 2 blocks
EomtDims eomt_preset(const std::string& name);
std::vector<std::string> eomt_preset_names();
/// Whether a name is one of an EoMT network.
bool is_eomt_preset(const std::string& name);

/// The same for detectors: those backbones with the structure of the released detection head, whose hidden
/// width is 768 for all of them:
///   dinov3_vit7b16_coco_detr    the released network
///   dinov3_vith16plus_detr, dinov3_vitl16_detr, dinov3_vitb16_detr, dinov3_vits16plus_detr,
///   dinov3_vits16_detr          the smaller backbones; heads for them are not published
///   street-small-detector       a head of 0.9 million parameters and the backbone of street-small
///   tiny-detector               the same structure and the backbone of tiny
DetectorDims detector_preset(const std::string& name);
std::vector<std::string> detector_preset_names();
/// Whether a name is one of a detector.
bool is_detector_preset(const std::string& name);

/// Those backbones alone: dinov3_vit7b16, dinov3_vith16plus, dinov3_vitl16, dinov3_vitb16, dinov3_vits16plus,
/// dinov3_vits16, street-small-backbone, tiny-backbone. Errors: INVALID_ARGUMENT with these names.
BackboneNetworkDims backbone_preset(const std::string& name);
std::vector<std::string> backbone_preset_names();
/// Whether a name is one of a backbone alone.
bool is_backbone_preset(const std::string& name);

}  // namespace dinov3_seg
