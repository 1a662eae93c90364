// Decoded pixels and label maps to tensors, and whole images to class maps.
#include <ATen/ATen.h>

#include <cstring>
#include <functional>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/device_copies.h"
#include "core/error.h"
#include "core/image_ops.h"
#include "core/page_allocator.h"
#include "models/segment.h"

namespace dinov3_seg {
namespace {

at::Tensor copy_bytes(const Napi::Object& object, int64_t width, int64_t height, int64_t channels) {
  const Napi::Value data = object.Get("data");
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    fail("INVALID_ARGUMENT", "data must be a Uint8Array");
  const auto array = data.As<Napi::Uint8Array>();
  if (width < 1 || height < 1 || static_cast<int64_t>(array.ElementLength()) != width * height * channels)
    fail("SHAPE", "expected ", width, "×", height, "×", channels, " bytes of pixels, got ",
         array.ElementLength());
  at::Tensor pixels = empty_page_allocated({height, width, channels}, at::kByte);
  std::memcpy(pixels.mutable_data_ptr(), array.Data(), array.ByteLength());
  return pixels;
}

}  // namespace

at::Tensor pixels_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "image");
  const int64_t width = integer_field(object, "width"), height = integer_field(object, "height");
  const int64_t channels = object.Get("channels").IsUndefined() ? 3 : integer_field(object, "channels");
  if (channels != 1 && channels != 3 && channels != 4)
    fail("SHAPE", "expected 1, 3 or 4 channels, got ", channels);
  return copy_bytes(object, width, height, channels);
}

namespace {

/// {data, width, height} as a tensor H×W uint8.
at::Tensor label_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "label");
  return copy_bytes(object, integer_field(object, "width"), integer_field(object, "height"), 1).squeeze(2);
}

template <typename Unpack>
std::vector<at::Tensor> images_argument(const Napi::Value& value, Unpack unpack) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() == 0)
    fail("INVALID_ARGUMENT", "expected an array of at least one image");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<at::Tensor> images;
  for (uint32_t i = 0; i < array.Length(); ++i) images.push_back(unpack(array.Get(i)));
  return images;
}

Augmentation augmentation_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "augmentation");
  Augmentation augmentation;
  augmentation.flip = boolean_field(object, "flip");
  const Napi::Value jitter = object.Get("jitter");
  if (jitter.IsNull() || jitter.IsUndefined()) return augmentation;
  const Napi::Object j = object_argument(jitter, "jitter");
  const auto order = shape_argument(j.Get("order"));
  if (order.size() != 4) fail("INVALID_ARGUMENT", "jitter.order must hold 4 steps, got ", order.size());
  augmentation.jitter = Jitter{{},
                               number_field(j, "brightness"),
                               number_field(j, "contrast"),
                               number_field(j, "saturation"),
                               number_field(j, "hue")};
  std::copy(order.begin(), order.end(), augmentation.jitter->order.begin());
  return augmentation;
}

struct PrepareOptions {
  int64_t height;
  int64_t width;
  c10::Device device;
  std::vector<Augmentation> augmentations;  // one an image
};

PrepareOptions prepare_options(const Napi::Value& value, size_t images) {
  const Napi::Object object = object_argument(value, "options");
  PrepareOptions options{integer_field(object, "height"),
                         integer_field(object, "width"),
                         parse_device(string_field(object, "device")),
                         {}};
  if (options.height < 1 || options.width < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1");
  options.augmentations.resize(images);
  const Napi::Value given = object.Get("augmentations");
  if (given.IsUndefined()) return options;
  if (!given.IsArray() || given.As<Napi::Array>().Length() != images)
    fail("INVALID_ARGUMENT", "augmentations must be an array of one an image (", images, ")");
  for (uint32_t i = 0; i < images; ++i)
    options.augmentations[i] = augmentation_argument(given.As<Napi::Array>().Get(i));
  return options;
}

/// prepareImages(images, options): Promise<TensorHandle>
Napi::Value prepare_images(const Napi::CallbackInfo& info) {
  auto images = images_argument(info[0], pixels_argument);
  auto options = prepare_options(info[1], images.size());
  return run_job(info, Lane::prepare, [images = std::move(images), options = std::move(options)]() -> ToJs {
    std::vector<at::Tensor> prepared;
    for (size_t i = 0; i < images.size(); ++i)
      prepared.push_back(
          prepare_image(to_rgb(images[i]), options.height, options.width, options.augmentations[i]));
    return [batch = upload(at::stack(prepared), options.device)](Napi::Env env) {
      return wrap_tensor(env, batch);
    };
  });
}

/// prepareLabels(labels, options): Promise<TensorHandle>
Napi::Value prepare_labels(const Napi::CallbackInfo& info) {
  auto labels = images_argument(info[0], label_argument);
  auto options = prepare_options(info[1], labels.size());
  return run_job(info, Lane::prepare, [labels = std::move(labels), options = std::move(options)]() -> ToJs {
    std::vector<at::Tensor> prepared;
    for (size_t i = 0; i < labels.size(); ++i)
      prepared.push_back(
          prepare_label(labels[i], options.height, options.width, options.augmentations[i].flip));
    return [batch = upload(at::stack(prepared), options.device)](Napi::Env env) {
      return wrap_tensor(env, batch);
    };
  });
}

SegmentOptions segment_options(const Napi::Object& object) {
  const std::string mode = string_field(object, "mode");
  if (mode != "whole" && mode != "slide")
    fail("INVALID_ARGUMENT", "unknown mode '", mode, "': expected whole or slide");
  const SegmentOptions options{
      integer_field(object, "height"),  integer_field(object, "width"),   mode == "slide",
      integer_field(object, "strideY"), integer_field(object, "strideX"), integer_field(object, "passSize")};
  if (options.height < 1 || options.width < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1");
  return options;
}

/// What scores the images: made by the job, since models may change until then.
std::function<ImageScorer()> scorer_argument(const Napi::CallbackInfo& info, const Napi::Object& options) {
  return
      [model = unwrap<SegmentationModel>(info[0]), head = unwrap<TrainedHeads>(info[1]),
       scoring = parse_scoring(string_field(options, "scoring"))] { return scorer_of(model, head, scoring); };
}

/// segment(model, head, images, options): Promise<Uint8Array[]>
Napi::Value segment_images(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[3], "options");
  const auto options = segment_options(object);
  return run_job(info, Lane::model,
                 [scorer = scorer_argument(info, object), pixels = images_argument(info[2], pixels_argument),
                  options]() -> ToJs {
                   auto maps = segment(scorer(), pixels, options);
                   for (at::Tensor& map : maps) map = copy_page_allocated(map, at::kByte);
                   return [maps = std::move(maps)](Napi::Env env) -> Napi::Value {
                     Napi::Array arrays = Napi::Array::New(env, maps.size());
                     for (size_t i = 0; i < maps.size(); ++i)
                       arrays.Set(static_cast<uint32_t>(i), typed_array(env, maps[i]));
                     return arrays;
                   };
                 });
}

/// scores(model, head, image, options): Promise<Float32Array>
Napi::Value score_image(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[3], "options");
  const int64_t height = integer_field(object, "outputHeight"), width = integer_field(object, "outputWidth");
  if (height < 1 || width < 1) fail("INVALID_ARGUMENT", "outputWidth and outputHeight must be at least 1");
  const SegmentOptions options{integer_field(object, "height"), integer_field(object, "width")};
  return run_job(info, Lane::model,
                 [scorer = scorer_argument(info, object), pixels = pixels_argument(info[2]), options, height,
                  width]() -> ToJs {
                   const at::Tensor scores = segment_scores(scorer(), pixels, options, height, width);
                   return [scores](Napi::Env env) { return typed_array(env, scores); };
                 });
}

}  // namespace

void export_images(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<prepare_images>>(env, exports, "prepareImages");
  export_function<asynchronous<prepare_labels>>(env, exports, "prepareLabels");
  export_function<asynchronous<segment_images>>(env, exports, "segment");
  export_function<asynchronous<score_image>>(env, exports, "scores");
}

}  // namespace dinov3_seg
