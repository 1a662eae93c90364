// Decoded images and label maps become tensors; whole images become class maps.
#include <ATen/ATen.h>

#include <array>
#include <cstring>

#include "bindings/images.h"
#include "bindings/normalization.h"
#include "core/byte_reader.h"
#include "core/device_copies.h"
#include "core/device_launches.h"
#include "core/image_ops.h"
#include "core/label_map.h"
#include "core/page_allocator.h"
#include "models/segment.h"

namespace dinov3_seg {
namespace {

/// H×W×channels over the array's own memory.
at::Tensor view_bytes(const Napi::Object& object, int64_t channels) {
  const auto width = from_js<int64_t>(object.Get("width"), "width");
  const auto height = from_js<int64_t>(object.Get("height"), "height");
  const Napi::Value data = object.Get("data");
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    fail("INVALID_ARGUMENT", "data must be a Uint8Array");
  auto array = data.As<Napi::Uint8Array>();
  int64_t bytes = 0;
  const bool fits = checked_product(std::array{width, height, channels}, bytes);
  if (width < 1 || height < 1 || !fits || static_cast<int64_t>(array.ElementLength()) != bytes)
    fail("SHAPE", "expected ", width, "×", height, "×", channels, " bytes of pixels, got ",
         array.ElementLength());
  return at::from_blob(array.Data(), {height, width, channels}, at::kByte);
}

at::Tensor view_pixels(const Napi::Value& value, const char* what) {
  const Napi::Object object = object_argument(value, what);
  const int64_t channels = from_js<std::optional<int64_t>>(object.Get("channels"), "channels").value_or(3);
  if (channels != 1 && channels != 3 && channels != 4)
    fail("SHAPE", "expected 1, 3 or 4 channels, got ", channels);
  return view_bytes(object, channels);
}

at::Tensor copy_of(const at::Tensor& pixels) {
  at::Tensor copy = empty_page_allocated(pixels.sizes(), at::kByte);
  std::memcpy(copy.mutable_data_ptr(), pixels.const_data_ptr(), pixels.nbytes());
  return copy;
}

}  // namespace

Pixels Js<Pixels>::from(const Napi::Value& value, const char* what) {
  const Napi::Object object = object_argument(value, what);
  const Napi::Value data = object.Get("data");
  const auto name = from_js<std::optional<std::string>>(object.Get("name"), "name").value_or("");
  if (is_handle<at::Tensor>(data)) return {*unwrap<at::Tensor>(data), name};
  return {copy_of(view_pixels(value, what)), name};
}

PassImages Js<PassImages>::from(const Napi::Value& value, const char*) {
  PassImages images;
  images.images = images_from(value, [&](const Napi::Value& image) -> PassImage {
    const Napi::Object object = object_argument(image, "image");
    const Napi::Value input = object.Get("input");
    if (!is_handle<at::Tensor>(input)) {
      auto [pixels, name] = from_js<Pixels>(image, "image");
      images.names.push_back(std::move(name));
      return {pixels.size(0), pixels.size(1), pixels, {}};
    }
    images.names.push_back(from_js<std::optional<std::string>>(object.Get("name"), "name").value_or(""));
    const auto width = from_js<int64_t>(object.Get("width"), "width");
    const auto height = from_js<int64_t>(object.Get("height"), "height");
    check_size(height, width);
    return {height, width, {}, *unwrap<at::Tensor>(input)};
  });
  return images;
}

ViewedPixels Js<ViewedPixels>::from(const Napi::Value& value, const char* what) {
  return {{view_pixels(value, what), {}}};
}

ViewedImages Js<ViewedImages>::from(const Napi::Value& value, const char*) {
  return {{images_from(value, [](const Napi::Value& image) { return view_pixels(image, "image"); }), {}}};
}

/// {data, width, height} each, as H×W uint8, JavaScript's own memory.
struct LabelImages {
  std::vector<at::Tensor> pixels;
};
template <>
inline constexpr bool views_memory<LabelImages> = true;
template <>
struct Js<LabelImages> {
  static LabelImages from(const Napi::Value& value, const char*) {
    return {images_from(value, [](const Napi::Value& label) {
      return view_bytes(object_argument(label, "label"), 1).squeeze(2);
    })};
  }
};

/// The values of a label file, N uint8 or uint16, JavaScript's own memory.
struct LabelValues {
  at::Tensor values;
};
template <>
inline constexpr bool views_memory<LabelValues> = true;
template <>
struct Js<LabelValues> {
  static LabelValues from(const Napi::Value& value, const char* what) {
    if (value.IsTypedArray()) {
      const auto array = value.As<Napi::TypedArray>();
      const auto length = static_cast<int64_t>(array.ElementLength());
      if (array.TypedArrayType() == napi_uint8_array)
        return {at::from_blob(array.As<Napi::Uint8Array>().Data(), {length}, at::kByte)};
      if (array.TypedArrayType() == napi_uint16_array)
        return {at::from_blob(array.As<Napi::Uint16Array>().Data(), {length}, at::kUInt16)};
    }
    fail("INVALID_ARGUMENT", what, " must be a Uint8Array or a Uint16Array");
  }
};

template <>
inline constexpr auto fields<Jitter> =
    std::tuple{field("order", &Jitter::order), field("brightness", &Jitter::brightness),
               field("contrast", &Jitter::contrast), field("saturation", &Jitter::saturation),
               field("hue", &Jitter::hue)};

template <>
inline constexpr auto fields<Augmentation> =
    std::tuple{field("flip", &Augmentation::flip), field("jitter", &Augmentation::jitter)};

/// Of images or labels.
struct PrepareOptions {
  int64_t height, width;
  c10::Device device = c10::kCPU;
  std::optional<std::vector<Augmentation>> augmentations;  // one per image
};
struct ImageOptions : PrepareOptions {
  Normalization normalization;
};
template <>
inline constexpr auto fields<PrepareOptions> = std::tuple{
    field("height", &PrepareOptions::height), field("width", &PrepareOptions::width),
    field("device", &PrepareOptions::device), field("augmentations", &PrepareOptions::augmentations)};
template <>
inline constexpr auto fields<ImageOptions> =
    std::tuple_cat(fields<PrepareOptions>, std::tuple{field("normalization", &ImageOptions::normalization)});
inline void check_fields(const PrepareOptions& options) { check_size(options.height, options.width); }

/// Of a network's input.
struct InputOptions {
  int64_t height, width;
  c10::Device device = c10::kCPU;
  Normalization normalization;
};
template <>
inline constexpr auto fields<InputOptions> =
    std::tuple{field("height", &InputOptions::height), field("width", &InputOptions::width),
               field("device", &InputOptions::device), field("normalization", &InputOptions::normalization)};
inline void check_fields(const InputOptions& options) { check_size(options.height, options.width); }

/// SegmentOptions::slide by its name.
struct Mode;
template <>
struct Js<Mode> {
  static bool from(const Napi::Value& value, const char* what) {
    const auto mode = from_js<std::string>(value, what);
    if (mode != "whole" && mode != "slide")
      fail("INVALID_ARGUMENT", "unknown mode '", mode, "': expected whole or slide");
    return mode == "slide";
  }
};

struct SegmentSettings : SegmentOptions {
  Scoring scoring;
};
template <>
inline constexpr auto fields<SegmentSettings> =
    std::tuple{field<Mode>("mode", &SegmentSettings::slide), field("height", &SegmentSettings::height),
               field("width", &SegmentSettings::width),      field("strideY", &SegmentSettings::stride_y),
               field("strideX", &SegmentSettings::stride_x), field("passSize", &SegmentSettings::pass_size),
               field("scoring", &SegmentSettings::scoring)};
inline void check_fields(const SegmentSettings& settings) { check_size(settings.height, settings.width); }

struct ScoreSettings : SegmentOptions {
  Scoring scoring;
  int64_t output_height, output_width;
};
template <>
inline constexpr auto fields<ScoreSettings> = std::tuple{
    field("height", &ScoreSettings::height), field("width", &ScoreSettings::width),
    field("scoring", &ScoreSettings::scoring), field("outputHeight", &ScoreSettings::output_height),
    field("outputWidth", &ScoreSettings::output_width)};
inline void check_fields(const ScoreSettings& settings) {
  if (settings.output_height < 1 || settings.output_width < 1)
    fail("INVALID_ARGUMENT", "outputWidth and outputHeight must be at least 1");
}

namespace {

/// Prepares the images one by one, each with its augmentation.
template <typename Prepare>
at::Tensor prepared(const std::vector<at::Tensor>& images, const PrepareOptions& options, Prepare prepare) {
  const auto& augmentations = options.augmentations;
  if (augmentations && augmentations->size() != images.size())
    fail("INVALID_ARGUMENT", "augmentations must hold one per image (", images.size(), "), got ",
         augmentations->size());
  std::vector<at::Tensor> all;
  for (size_t i = 0; i < images.size(); ++i)
    all.push_back(prepare(images[i], augmentations ? (*augmentations)[i] : Augmentation{}));
  return upload(at::stack(all), options.device);
}

at::Tensor prepare_images(const ViewedImages& images, const ImageOptions& options) {
  const LaunchGuard launching(options.device);
  return prepared(images.pixels, options, [&](const at::Tensor& image, const Augmentation& augmentation) {
    return prepare_image(to_rgb(image), options.height, options.width, augmentation, options.normalization);
  });
}

at::Tensor prepare_labels(const LabelImages& labels, const PrepareOptions& options) {
  const LaunchGuard launching(options.device);
  return prepared(labels.pixels, options, [&](const at::Tensor& label, const Augmentation& augmentation) {
    return prepare_label(label, options.height, options.width, augmentation.flip);
  });
}

at::Tensor input_of(const ViewedPixels& image, const InputOptions& options) {
  const LaunchGuard launching(options.device);
  return network_input_aside(image.tensor, options.device, options.height, options.width,
                             options.normalization);
}

at::Tensor copy_pixels(const ViewedPixels& image) { return copy_of(image.tensor); }

/// Nothing where a value has no class.
std::optional<Values> classes_of(const LabelValues& label, const TypedArray<uint32_t>& table) {
  at::Tensor classes = map_label(label.values, table);
  if (!classes.defined()) return {};
  return Values{std::move(classes)};
}

/// Nothing where a pixel has another colour.
std::optional<Values> classes_of_colors(const LabelValues& pixels, const TypedArray<uint32_t>& colors) {
  at::Tensor classes = map_colors(pixels.values, colors);
  if (!classes.defined()) return {};
  return Values{std::move(classes)};
}

std::vector<Values> segment_images(const std::shared_ptr<SegmentationModel>& model, const Head& head,
                                   const Images& images, const SegmentSettings& settings) {
  std::vector<Values> maps;
  const auto run = [&] { return segment(scorer_of(model, head, settings.scoring), images.pixels, settings); };
  for (const at::Tensor& map : naming(*model, images.names, run))
    maps.push_back({copy_page_allocated(map, at::kByte)});
  return maps;
}

Values score_image(const std::shared_ptr<SegmentationModel>& model, const Head& head, const Pixels& image,
                   const ScoreSettings& settings) {
  const auto run = [&] {
    return segment_scores(scorer_of(model, head, settings.scoring), image.tensor, settings,
                          settings.output_height, settings.output_width);
  };
  return {naming(*model, {image.name}, run)};
}

const Methods image_methods{
    job<Lane::prepare, &prepare_images>("prepareImages", "images", "options"),
    job<Lane::prepare, &prepare_labels>("prepareLabels", "labels", "options"),
    job<Lane::prepare, &copy_pixels>("copyPixels", "image"),
    job<Lane::prepare, &input_of>("networkInput", "image", "options"),
    job<Lane::prepare, &classes_of>("mapLabel", "values", "table"),
    job<Lane::prepare, &classes_of_colors>("mapColors", "pixels", "colors"),
    job<Lane::model, &segment_images>("segment", "model", "head", "images", "options"),
    job<Lane::model, &score_image>("scores", "model", "head", "image", "options"),
};

}  // namespace
}  // namespace dinov3_seg
