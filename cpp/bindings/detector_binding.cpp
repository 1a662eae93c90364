// Detectors: plans, conversion, loading, boxes.
#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/error.h"
#include "core/page_allocator.h"
#include "models/convert.h"
#include "models/detection_model.h"
#include "models/detector_plan.h"

namespace dinov3_seg {

Napi::Object detector_plan_object(Napi::Env env, const DetectorDims& dims) {
  Napi::Object numbers = backbone_dims_object(env, dims);
  const auto set = [](Napi::Object& object, const char* name, int64_t value) {
    object.Set(name, static_cast<double>(value));
  };
  set(numbers, "hiddenDim", dims.hidden_dim);
  set(numbers, "headHeads", dims.heads);
  set(numbers, "queries", dims.queries());
  set(numbers, "encoderLayers", dims.encoder_layers);
  set(numbers, "decoderLayers", dims.decoder_layers);
  set(numbers, "classes", dims.classes);
  int64_t used = 0, repeated = 0, parameters = 0;
  for (const KeyShape& key : detector_head_keys(dims)) {
    const bool repeats = !key.repeats.empty();
    ++(repeats ? repeated : used);
    parameters += repeats ? 0 : parameters_of(key);
  }
  const auto backbone = backbone_keys(dims);
  for (const KeyShape& key : backbone) parameters += parameters_of(key);
  Napi::Object plan = Napi::Object::New(env);
  plan.Set("dims", numbers);
  set(plan, "backboneKeys", static_cast<int64_t>(backbone.size()));
  set(plan, "headKeys", used);
  set(plan, "repeatedKeys", repeated);
  set(plan, "parameters", parameters);
  return plan;
}

std::shared_ptr<SegmentationModel> share_with_field(const Napi::Object& options) {
  const Napi::Value value = options.Get("shareWith");
  return value.IsUndefined() ? nullptr : unwrap<SegmentationModel>(value);
}

int64_t host_bytes(const DetectionModel& network) {
  const int64_t all = host_bytes(static_cast<const NetworkModule&>(network));
  return std::max<int64_t>(0, all - static_cast<int64_t>(network.shared_bytes()));
}

namespace {

/// planDetector(backbone, head): DetectorPlan
Napi::Value plan_detector(const Napi::CallbackInfo& info) {
  const auto backbone = shape_table(info[0], "backbone"), head = shape_table(info[1], "head");
  return detector_plan_object(info.Env(), checked_detector_dims(backbone, head));
}

/// convertDetector(options): Promise<DetectorPlan>
Napi::Value convert(const Napi::CallbackInfo& info) {
  const auto [paths, dtype] = convert_options(info[0]);
  return run_job(info, Lane::prepare, [paths = paths, dtype = dtype]() -> ToJs {
    const DetectorDims dims = convert_detector(paths, dtype);
    return [dims](Napi::Env env) { return detector_plan_object(env, dims); };
  });
}

/// loadDetector(path, {device, dtype, precision, cudaGraphs, shareWith?}): Promise<DetectorHandle>
Napi::Value load_detector(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  const ModelPlacement placement = placement_of(options);
  return run_job(
      info, Lane::model,
      [path = string_argument(info[0], "path"), placement, segmentor = share_with_field(options)]() -> ToJs {
        auto model = segmentor ? std::make_shared<DetectionModel>(path, placement, *segmentor)
                               : std::make_shared<DetectionModel>(path, placement);
        return [model](Napi::Env env) { return wrap(env, model, host_bytes(*model)); };
      });
}

/// detectorInfo(detector): DetectorInfo
Napi::Value detector_info(const Napi::CallbackInfo& info) {
  const auto model = unwrap<DetectionModel>(info[0]);
  Napi::Object result = network_info_object(info.Env(), *model);
  result.Set("width", static_cast<double>(model->width()));
  result.Set("queries", static_cast<double>(model->queries()));
  result.Set("classes", static_cast<double>(model->classes()));
  result.Set("sharedBytes", static_cast<double>(model->shared_bytes()));
  return result;
}

/// detectorForward(detector, images): Promise<{predLogits, predBoxes}>
Napi::Value detector_forward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<DetectionModel>(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   return [result = model->forward(images)](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("predLogits", wrap_tensor(env, result.logits));
                     object.Set("predBoxes", wrap_tensor(env, result.boxes));
                     return object;
                   };
                 });
}

/// detectorFeatures(detector, images): Promise<TensorHandle>
Napi::Value detector_features(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<DetectionModel>(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   return
                       [result = model->features(images)](Napi::Env env) { return wrap_tensor(env, result); };
                 });
}

struct DetectOptions {
  int64_t height, width, top;
};

DetectOptions detect_options(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "options");
  const DetectOptions options{integer_field(object, "height"), integer_field(object, "width"),
                              integer_field(object, "top")};
  if (options.height < 1 || options.width < 1 || options.top < 1)
    fail("INVALID_ARGUMENT", "width, height and top must be at least 1");
  return options;
}

/// bestDetections(predLogits, predBoxes, {width, height, top}): Promise<{scores, labels, boxes}>
Napi::Value best_of(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [logits = tensor_argument(info[0]), boxes = tensor_argument(info[1]),
                  options = detect_options(info[2])]() -> ToJs {
                   const Detections best =
                       best_detections(logits, boxes, options.height, options.width, options.top);
                   return [best](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("scores", wrap_tensor(env, best.scores));
                     object.Set("labels", wrap_tensor(env, best.labels));
                     object.Set("boxes", wrap_tensor(env, best.boxes));
                     return object;
                   };
                 });
}

/// detect(detector, image, {width, height, top}): Promise<{scores, labels, boxes}>, typed arrays
Napi::Value detect_image(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<DetectionModel>(info[0]), pixels = pixels_argument(info[1]),
                  options = detect_options(info[2])]() -> ToJs {
                   const Detections best = detect(*model, pixels, options.height, options.width, options.top);
                   return
                       [scores = copy_page_allocated(best.scores, at::kFloat),
                        labels = copy_page_allocated(best.labels, at::kInt),
                        boxes = copy_page_allocated(best.boxes, at::kFloat)](Napi::Env env) -> Napi::Value {
                         Napi::Object object = Napi::Object::New(env);
                         object.Set("scores", typed_array(env, scores));
                         object.Set("labels", typed_array(env, labels));
                         object.Set("boxes", typed_array(env, boxes));
                         return object;
                       };
                 });
}

}  // namespace

void export_detectors(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<plan_detector>>(env, exports, "planDetector");
  export_function<asynchronous<convert>>(env, exports, "convertDetector");
  export_function<asynchronous<load_detector>>(env, exports, "loadDetector");
  export_function<synchronous<detector_info>>(env, exports, "detectorInfo");
  export_function<asynchronous<detector_forward>>(env, exports, "detectorForward");
  export_function<asynchronous<detector_features>>(env, exports, "detectorFeatures");
  export_function<asynchronous<best_of>>(env, exports, "bestDetections");
  export_function<asynchronous<detect_image>>(env, exports, "detect");
}

}  // namespace dinov3_seg
