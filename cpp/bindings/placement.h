// Where and how networks run, and their description.
#pragma once

#include "bindings/method.h"
#include "bindings/normalization.h"
#include "models/network_module.h"
#include "models/precision.h"

namespace dinov3_seg {

template <>
struct Js<NetworkPrecision> : Named<parse_network_precision> {};

template <>
inline constexpr auto fields<ModelPlacement> =
    std::tuple{field("device", &ModelPlacement::device), field("dtype", &ModelPlacement::dtype),
               field("precision", &ModelPlacement::precision), field("cudaGraphs", &ModelPlacement::graphs),
               optional_field("replica", &ModelPlacement::replica)};

template <>
inline constexpr auto fields<ReplicaPlace> =
    std::tuple{field("device", &ReplicaPlace::device), field("replica", &ReplicaPlace::replica)};

struct DetectorPlacement : ModelPlacement {
  /// The segmentor whose backbone a detector shares.
  std::shared_ptr<SegmentationModel> share_with;
};
template <>
inline constexpr auto fields<DetectorPlacement> = std::tuple_cat(
    fields<ModelPlacement>, std::tuple{optional_field("shareWith", &DetectorPlacement::share_with)});

/// The first fields of the description of any network.
inline auto network_info(const NetworkModule& network) {
  return object_of(Item{"path", network.path()}, Item{"id", network.id()}, Item{"device", network.device()},
                   Item{"replica", network.replica()}, Item{"dtype", network.dtype()},
                   Item{"normalization", network.normalization()}, Item{"parameters", network.parameters()});
}

}  // namespace dinov3_seg
