#include "models/panorama.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <cmath>
#include <optional>

#include "core/device_copies.h"
#include "core/error.h"
#include "core/image_ops.h"
#include "core/job_control.h"
#include "core/page_allocator.h"
#include "ops/perspective_view.h"

namespace dinov3_seg {
namespace {

double radians(double degrees) { return degrees * 3.14159265358979323846 / 180; }

/// Up by the pitch, then to the right by the yaw.
std::array<double, 9> rotation_of(const ViewDirection& view) {
  const double yaw = radians(view.yaw), pitch = radians(view.pitch);
  const double cy = std::cos(yaw), sy = std::sin(yaw), cp = std::cos(pitch), sp = std::sin(pitch);
  return {cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp};
}

void check_views(const ViewOptions& options) {
  if (options.views.empty()) fail("INVALID_ARGUMENT", "expected at least one view of a panorama");
  for (const auto& [yaw, pitch] : options.views)
    if (!std::isfinite(yaw) || !(std::abs(pitch) <= 90))
      fail("INVALID_ARGUMENT", "a view looks at any yaw and at a pitch from -90 to 90 degrees, got ", yaw,
           " and ", pitch);
  if (!(options.degrees > 0 && options.degrees < 180))
    fail("INVALID_ARGUMENT", "a view shows more than 0 and less than 180 degrees, got ", options.degrees);
}

}  // namespace

at::Tensor perspective_views(const at::Tensor& pixels, const ViewOptions& options, c10::Device device) {
  check_views(options);
  const double focal = static_cast<double>(options.width) / 2 / std::tan(radians(options.degrees) / 2);
  const int64_t samples = view_samples(pixels.size(1), focal);
  const auto count = static_cast<int64_t>(options.views.size());
  at::Tensor all = empty_page_allocated({count, options.height, options.width, 3}, at::kByte);
  // A stream of its own: what is read does not wait for the passes of a network.
  std::optional<c10::StreamGuard> stream;
  if (!device.is_cpu())
    stream.emplace(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
  const at::Tensor panorama = to_rgb(upload(pixels, device));
  for (int64_t i = 0; i < count; ++i) {
    check_cancelled();
    const std::array<double, 9> rotation = rotation_of(options.views[static_cast<size_t>(i)]);
    all[i].copy_(perspective_view(panorama, rotation, focal, options.height, options.width, samples));
  }
  return all;
}

}  // namespace dinov3_seg
