// Pixels of images, and the scoring of classes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bindings/method.h"
#include "core/dense_scores.h"
#include "core/error.h"
#include "core/finite_watch.h"
#include "models/network_input.h"

namespace dinov3_seg {

/// {data, width, height, channels?, name?} as H×W×channels uint8: a copy of an array, or the tensor that
/// `data` is a handle of.
struct Pixels {
  at::Tensor tensor;
  std::string name;  // for messages; may be empty
};
template <>
struct Js<Pixels> {
  static Pixels from(const Napi::Value& value, const char* what);
};

/// At least one image, each converted by `unpack`.
template <typename Unpack>
auto images_from(const Napi::Value& value, Unpack unpack) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() == 0)
    fail("INVALID_ARGUMENT", "expected an array of at least one image");
  std::vector<decltype(unpack(value))> images;
  for (const Napi::Value& image : from_js<std::vector<Napi::Value>>(value, "images"))
    images.push_back(unpack(image));
  return images;
}

struct Images {
  std::vector<at::Tensor> pixels;
  std::vector<std::string> names;
};
template <>
struct Js<Images> {
  static Images from(const Napi::Value& value, const char*) {
    Images images;
    for (Pixels& each :
         images_from(value, [](const Napi::Value& image) { return from_js<Pixels>(image, "image"); })) {
      images.pixels.push_back(std::move(each.tensor));
      images.names.push_back(std::move(each.name));
    }
    return images;
  }
};

/// At least one image of a pass, each as pixels or as {input, width, height}: what networkInput() gave.
struct PassImages {
  std::vector<PassImage> images;
  std::vector<std::string> names;  // for messages; may be empty
};
template <>
struct Js<PassImages> {
  static PassImages from(const Napi::Value& value, const char* what);
};

/// A pass over named images; its NotFinite names the one.
template <typename Pass>
auto naming(const NetworkModule& model, const std::vector<std::string>& names, Pass pass) {
  try {
    return pass();
  } catch (const NotFinite& error) {
    error.tell(model.path(), names);
  }
}

/// Pixels in JavaScript's own memory.
struct ViewedPixels : Pixels {};
template <>
inline constexpr bool views_memory<ViewedPixels> = true;
template <>
struct Js<ViewedPixels> {
  static ViewedPixels from(const Napi::Value& value, const char* what);
};

struct ViewedImages : Images {};
template <>
inline constexpr bool views_memory<ViewedImages> = true;
template <>
struct Js<ViewedImages> {
  static ViewedImages from(const Napi::Value& value, const char* what);
};

template <>
struct Js<Scoring> : Named<parse_scoring> {};

inline void check_size(int64_t height, int64_t width) {
  if (height < 1 || width < 1) fail("INVALID_ARGUMENT", "width and height must be at least 1");
}

using Head = std::shared_ptr<TrainedHeads>;

}  // namespace dinov3_seg
