// Perspective views of panoramas.
#include <ATen/ATen.h>

#include "bindings/images.h"
#include "core/device_launches.h"
#include "models/panorama.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<ViewDirection> =
    std::tuple{field("yaw", &ViewDirection::yaw), field("pitch", &ViewDirection::pitch)};

struct PlacedViewOptions : ViewOptions {
  c10::Device device = c10::kCPU;
};
template <>
inline constexpr auto fields<PlacedViewOptions> =
    std::tuple{field("views", &PlacedViewOptions::views), field("degrees", &PlacedViewOptions::degrees),
               field("height", &PlacedViewOptions::height), field("width", &PlacedViewOptions::width),
               field("device", &PlacedViewOptions::device)};
inline void check_fields(const PlacedViewOptions& options) { check_size(options.height, options.width); }

namespace {

Values views_of(const ViewedPixels& panorama, const PlacedViewOptions& options) {
  const LaunchGuard launching(options.device);
  return {perspective_views(panorama.tensor, options, options.device)};
}

const Methods panorama_methods{
    job<Lane::prepare, &views_of>("perspectiveViews", "panorama", "options"),
};

}  // namespace
}  // namespace dinov3_seg
