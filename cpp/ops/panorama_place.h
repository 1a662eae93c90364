// Where a pixel of a perspective view lies in an equirectangular panorama, for every kernel alike.
#pragma once

#include <cmath>

#include "ops/resize_cells.h"

namespace dinov3_seg {

/// A view of width×height pixels: `rotation` (row by row) takes its directions to those of the panorama. Both
/// have x to the right, y down and z ahead; ahead of a panorama is the middle of its width. `focal` in
/// pixels.
struct ViewGeometry {
  float rotation[9];
  float focal;
  int panorama_height, panorama_width, height, width;
};

/// The two columns and rows around a place, and how far it is from the first ones.
struct PanoramaPlace {
  int left, right, top, bottom;
  float across, down;
};

/// x, y: in pixels of the view from its top left corner. Columns go round; rows end at the poles.
DINOV3_SEG_ON_DEVICE PanoramaPlace panorama_place(const ViewGeometry& view, float x, float y) {
  const float right = x - 0.5F * static_cast<float>(view.width);
  const float low = y - 0.5F * static_cast<float>(view.height);
  const float* r = view.rotation;
  const float dx = r[0] * right + r[1] * low + r[2] * view.focal;
  const float dy = r[3] * right + r[4] * low + r[5] * view.focal;
  const float dz = r[6] * right + r[7] * low + r[8] * view.focal;
  constexpr float pi = 3.14159265358979F;
  const float columns = static_cast<float>(view.panorama_width),
              rows = static_cast<float>(view.panorama_height);
  const float column = (atan2f(dx, dz) / (2 * pi) + 0.5F) * columns - 0.5F;
  const float row = (atan2f(dy, sqrtf(dx * dx + dz * dz)) / pi + 0.5F) * rows - 0.5F;
  const float first = floorf(column), above = floorf(row);
  const int left = static_cast<int>(first), top = static_cast<int>(above);
  PanoramaPlace place;
  // −1 … width: half a pixel beyond an edge at most.
  place.left = left < 0 ? left + view.panorama_width : left % view.panorama_width;
  place.right = place.left + 1 == view.panorama_width ? 0 : place.left + 1;
  const int last = view.panorama_height - 1;
  place.top = top < 0 ? 0 : (top > last ? last : top);
  place.bottom = top + 1 < 0 ? 0 : (top + 1 > last ? last : top + 1);
  place.across = column - first;
  place.down = row - above;
  return place;
}

}  // namespace dinov3_seg
