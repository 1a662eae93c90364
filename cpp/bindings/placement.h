// Where and how networks run, and their description.
#pragma once

#include <optional>

#include "bindings/method.h"
#include "bindings/normalization.h"
#include "models/network_module.h"
#include "models/precision.h"

namespace dinov3_seg {

template <>
struct Js<NetworkPrecision> : Named<parse_network_precision> {};

template <>
inline constexpr auto fields<ModelPlacement> =
    std::tuple{field("device", &ModelPlacement::device),
               field("dtype", &ModelPlacement::dtype),
               field("precision", &ModelPlacement::precision),
               field("cudaGraphs", &ModelPlacement::graphs),
               optional_field("replica", &ModelPlacement::replica),
               optional_field("residentBlocks", &ModelPlacement::resident_blocks),
               optional_field("trustCode", &ModelPlacement::trust_code),
               optional_field("timeout", &ModelPlacement::pass_seconds)};

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

/// What passes met in float16 (Float16Use).
struct Float16Seen {
  double largest;
  int64_t passes, run_again;
};
template <>
inline constexpr auto fields<Float16Seen> =
    std::tuple{field("largest", &Float16Seen::largest), field("passes", &Float16Seen::passes),
               field("runAgain", &Float16Seen::run_again)};

inline std::optional<Float16Seen> float16_seen(const NetworkModule& network) {
  const auto& use = network.float16_use();
  if (!use) return std::nullopt;
  return Float16Seen{use->largest, use->passes, use->run_again};
}

/// The first fields of the description of any network.
inline auto network_info(const NetworkModule& network) {
  return object_of(Item{"path", network.path()}, Item{"id", network.id()}, Item{"device", network.device()},
                   Item{"replica", network.replica()}, Item{"dtype", network.dtype()},
                   Item{"normalization", network.normalization()}, Item{"parameters", network.parameters()},
                   Item{"streamedBlocks", network.stream() ? network.stream()->blocks() : 0},
                   Item{"streamedBytes", network.stream() ? network.stream()->bytes() : 0},
                   Item{"pinnedBytes", network.stream() ? network.stream()->pinned_bytes() : 0},
                   Item{"float16", float16_seen(network)});
}

}  // namespace dinov3_seg
