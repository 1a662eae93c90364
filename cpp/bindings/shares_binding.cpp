// Shares of classes in images and labels: counts and means only cross, nothing a pixel.
#include <ATen/ATen.h>

#include <cstring>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/class_columns.h"
#include "core/error.h"
#include "models/class_shares.h"

namespace dinov3_seg {
namespace {

at::Tensor table_field(const Napi::Object& object) {
  const Napi::Value value = object.Get("table");
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
      value.As<Napi::TypedArray>().ElementLength() != 256)
    fail("INVALID_ARGUMENT", "table must be a Uint8Array of 256 columns by class");
  at::Tensor table = at::empty({256}, at::kByte);
  std::memcpy(table.mutable_data_ptr(), value.As<Napi::Uint8Array>().Data(), 256);
  return table;
}

ShareLayer layer_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "layer");
  ShareLayer layer;
  layer.table = table_field(object);
  layer.scoring = parse_scoring(string_field(object, "scoring"));
  layer.head = unwrap<TrainedHeads>(object.Get("head"));
  return layer;
}

/// classShares(model, layers, images, {width, height, columns, soft}): Promise<Float64Array>
Napi::Value class_shares_of(const Napi::CallbackInfo& info) {
  std::vector<ShareLayer> layers;
  for (const Napi::Value& value : array_argument(info[1], "layers")) layers.push_back(layer_argument(value));
  std::vector<at::Tensor> pixels;
  for (const Napi::Value& value : array_argument(info[2], "images")) pixels.push_back(pixels_argument(value));
  if (pixels.empty()) fail("INVALID_ARGUMENT", "expected an array of at least one image");
  const Napi::Object object = object_argument(info[3], "options");
  const ShareOptions options{integer_field(object, "height"), integer_field(object, "width"),
                             integer_field(object, "columns"), boolean_field(object, "soft")};
  if (options.height < 1 || options.width < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1");
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), layers = std::move(layers),
                  pixels = std::move(pixels), options]() -> ToJs {
                   const at::Tensor shares = class_shares(*model, layers, pixels, options);
                   return [shares](Napi::Env env) { return typed_array(env, shares); };
                 });
}

/// labelShares(label, classes): Promise<Float64Array>
Napi::Value label_shares_of(const Napi::CallbackInfo& info) {
  const at::Tensor pixels = pixels_argument(info[0]);
  if (pixels.size(2) != 1) fail("SHAPE", "expected a label of 1 channel, got ", pixels.size(2));
  if (!info[1].IsNumber()) fail("INVALID_ARGUMENT", "classes must be a number");
  const int64_t classes = info[1].As<Napi::Number>().Int64Value();
  return run_job(info, Lane::prepare, [pixels, classes]() -> ToJs {
    const at::Tensor counts = count_columns(pixels, classes).to(at::kDouble);
    return [counts](Napi::Env env) { return typed_array(env, counts); };
  });
}

}  // namespace

void export_shares(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<class_shares_of>>(env, exports, "classShares");
  export_function<asynchronous<label_shares_of>>(env, exports, "labelShares");
}

}  // namespace dinov3_seg
