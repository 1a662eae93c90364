// Shares of classes in images and labels. Only counts and means cross, no pixels.
#include <ATen/ATen.h>

#include "bindings/images.h"
#include "core/class_columns.h"
#include "models/class_shares.h"

namespace dinov3_seg {

template <>
struct Js<ShareLayer> {
  static ShareLayer from(const Napi::Value& value, const char* what) {
    const Napi::Object object = object_argument(value, what);
    ShareLayer layer;
    const auto columns = from_js<TypedArray<uint8_t>>(object.Get("table"), "table");
    if (columns.size() != 256) fail("INVALID_ARGUMENT", "table must be a Uint8Array of 256 columns by class");
    layer.table = at::tensor(at::ArrayRef<uint8_t>(columns));
    layer.scoring = from_js<Scoring>(object.Get("scoring"), "scoring");
    layer.head = from_js<Head>(object.Get("head"), "head");
    return layer;
  }
};

template <>
inline constexpr auto fields<ShareOptions> =
    std::tuple{field("height", &ShareOptions::height), field("width", &ShareOptions::width),
               field("columns", &ShareOptions::columns), field("soft", &ShareOptions::soft)};
inline void check_fields(const ShareOptions& options) { check_size(options.height, options.width); }

namespace {

Values shares_of(SegmentationModel& model, const std::vector<ShareLayer>& layers, const PassImages& given,
                 const ShareOptions& options) {
  const auto run = [&] { return class_shares(model, layers, given.images, options); };
  return {naming(model, given.names, run)};
}

Values shares_of_label(const ViewedPixels& label, int64_t classes) {
  if (label.tensor.size(2) != 1) fail("SHAPE", "expected a label of 1 channel, got ", label.tensor.size(2));
  return {count_columns(label.tensor, classes).to(at::kDouble)};
}

const Methods share_methods{
    job<Lane::model, &shares_of>("classShares", "model", "layers", "images", "options"),
    job<Lane::prepare, &shares_of_label>("labelShares", "label", "classes"),
};

}  // namespace
}  // namespace dinov3_seg
