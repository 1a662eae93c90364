// Polygons become label images: flat arrays in, one label out.
#include "bindings/method.h"
#include "core/polygon_raster.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<Polygons> = std::tuple{field<TypedArray<double>>("points", &Polygons::points),
                                                    field<TypedArray<uint32_t>>("counts", &Polygons::counts),
                                                    field<TypedArray<uint8_t>>("values", &Polygons::values)};

template <>
inline constexpr auto fields<LabelCanvas> =
    std::tuple{field("height", &LabelCanvas::height), field("width", &LabelCanvas::width),
               field("background", &LabelCanvas::background), field("margin", &LabelCanvas::margin)};

namespace {

Values fill(const Polygons& polygons, const LabelCanvas& canvas) { return {fill_polygons(polygons, canvas)}; }

const Methods polygon_methods{job<Lane::prepare, &fill>("fillPolygons", "polygons", "options")};

}  // namespace
}  // namespace dinov3_seg
