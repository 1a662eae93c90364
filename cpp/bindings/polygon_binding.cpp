// Polygons to label images: flat arrays in, one label out.
#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/error.h"
#include "core/polygon_raster.h"

namespace dinov3_seg {
namespace {

template <typename Array>
Array array_field(const Napi::Object& object, const char* name, napi_typedarray_type type,
                  const char* type_name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    fail("INVALID_ARGUMENT", name, " must be a ", type_name);
  return value.As<Array>();
}

Polygons polygons_argument(const Napi::Object& object) {
  const auto points =
      array_field<Napi::Float64Array>(object, "points", napi_float64_array, "Float64Array of x and y");
  const auto counts =
      array_field<Napi::Uint32Array>(object, "counts", napi_uint32_array, "Uint32Array of corners a polygon");
  const auto values =
      array_field<Napi::Uint8Array>(object, "values", napi_uint8_array, "Uint8Array of a value a polygon");
  return {{points.Data(), points.Data() + points.ElementLength()},
          {counts.Data(), counts.Data() + counts.ElementLength()},
          {values.Data(), values.Data() + values.ElementLength()}};
}

LabelCanvas canvas_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "options");
  const int64_t background = integer_field(object, "background");
  if (background < 0 || background > 255)
    fail("INVALID_ARGUMENT", "background must be from 0 to 255, got ", background);
  return {integer_field(object, "height"), integer_field(object, "width"), static_cast<uint8_t>(background),
          integer_field(object, "margin")};
}

/// fillPolygons({points, counts, values}, {width, height, background, margin}): Promise<Uint8Array>
Napi::Value fill_polygons_of(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare,
                 [polygons = polygons_argument(object_argument(info[0], "polygons")),
                  canvas = canvas_argument(info[1])]() -> ToJs {
                   const at::Tensor label = fill_polygons(polygons, canvas);
                   return [label](Napi::Env env) { return typed_array(env, label); };
                 });
}

}  // namespace

void export_polygons(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<fill_polygons_of>>(env, exports, "fillPolygons");
}

}  // namespace dinov3_seg
