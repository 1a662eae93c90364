// Label images from polygons, drawn one over the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// Polygons in the order in which they are drawn.
struct Polygons {
  std::vector<double> points;   // x and y of every corner, all polygons in a row
  std::vector<int64_t> counts;  // corners of each polygon
  std::vector<uint8_t> values;  // what each paints
};

/// Corners may lie this far outside of an image.
inline constexpr double most_coordinate = 1e6;

/// What polygons are drawn on.
struct LabelCanvas {
  int64_t height, width;
  uint8_t background;
  /// Zeros before each row, in place: a PNG's rows begin with a byte that is 0 for "no filter".
  int64_t margin = 0;
};

/// Label H×(margin + W) uint8: the background, and each polygon's value over what was there before.
///
/// The rule is that of IDD's and Cityscapes' own tools (ImageDraw.polygon of Pillow), said without its
/// special cases. A corner is taken to the pixel that it lies in: coordinates are cut off to whole numbers,
/// toward zero. The polygon through these pixels' centres is closed: inside is where a ray crosses edges an
/// odd number of times, and edges belong to it. Pixel (x, y) is painted where row y between x − ½ and x + ½
/// (both left out) meets it. So outlines are half a pixel wider than the polygon to the left and right,
/// neighbours that share an edge overlap on it, and the later one has it. All in whole numbers: the same
/// everywhere.
///
/// Polygons of one or two corners have no inside and paint their edge by the same rule, those of none
/// nothing. The time is that of the rows and the edges that cross them inside of the image. Stops when the
/// job is cancelled. Throws SHAPE for a size below 1 or a margin below 0, INVALID_ARGUMENT where the lengths
/// disagree or a coordinate is not finite or larger than `most_coordinate`.
at::Tensor fill_polygons(const Polygons& polygons, const LabelCanvas& canvas);

}  // namespace dinov3_seg
