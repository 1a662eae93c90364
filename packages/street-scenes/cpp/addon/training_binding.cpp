// NetworkTraining: a whole segmentor from nothing, and what it has in common with a detector's
// (detector_training_binding.cpp).
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "addon/training_handle.h"
#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/error.h"
#include "models/presets.h"
#include "training/detector_training.h"
#include "training/segmentor_training.h"
#include "training/set_loss.h"

namespace dinov3_seg {

TrainingBatch training_batch_argument(const Napi::Value& value) {
  const Napi::Object batch = object_argument(value, "batch");
  return {tensor_field(batch, "scenes"), tensor_field(batch, "views")};
}

std::vector<std::vector<int64_t>> class_lists(const Napi::Value& value) {
  std::vector<std::vector<int64_t>> lists;
  for (const Napi::Value& list : array_argument(value, "classes")) {
    lists.emplace_back();
    for (const Napi::Value& each : array_argument(list, "classes")) {
      if (!each.IsNumber()) fail("INVALID_ARGUMENT", "classes must hold numbers");
      lists.back().push_back(each.As<Napi::Number>().Int64Value());
    }
  }
  return lists;
}

Napi::Array class_lists_array(Napi::Env env, const std::vector<std::vector<int64_t>>& lists) {
  Napi::Array array = Napi::Array::New(env);
  for (size_t i = 0; i < lists.size(); ++i) array.Set(static_cast<uint32_t>(i), shape_array(env, lists[i]));
  return array;
}

Napi::Object tensor_object(Napi::Env env, std::initializer_list<std::pair<const char*, at::Tensor>> tensors) {
  Napi::Object result = Napi::Object::New(env);
  for (const auto& [name, tensor] : tensors) result.Set(name, wrap_tensor(env, tensor));
  return result;
}

namespace {

ToJs nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

TrainingSettings settings_argument(const Napi::Value& value) {
  const Napi::Object options = object_argument(value, "options");
  TrainingSettings settings;
  settings.architecture = string_field(options, "architecture");
  if (is_detector_preset(settings.architecture)) settings.backbone = string_field(options, "backbone");
  const int64_t seed = integer_field(options, "seed");
  if (seed < 0) fail("INVALID_ARGUMENT", "seed must be a whole number from 0, got ", seed);
  settings.seed = static_cast<uint64_t>(seed);
  settings.device = parse_device(string_field(options, "device"));
  settings.height = integer_field(options, "height");
  settings.width = integer_field(options, "width");
  settings.scene_height = integer_field(options, "sceneHeight");
  settings.scene_width = integer_field(options, "sceneWidth");
  settings.capacity = integer_field(options, "capacity");
  return settings;
}

std::shared_ptr<SegmentorTraining> segmentor_argument(const Napi::Value& value) {
  auto training = std::dynamic_pointer_cast<SegmentorTraining>(unwrap<NetworkTraining>(value));
  if (!training) fail("INVALID_ARGUMENT", "expected the training of a segmentor, this is a detector's");
  return training;
}

std::shared_ptr<NetworkTraining> new_training(const TrainingSettings& settings) {
  if (is_detector_preset(settings.architecture)) return std::make_shared<DetectorTraining>(settings);
  return std::make_shared<SegmentorTraining>(settings);
}

/// createTraining(options): Promise<TrainingHandle>
Napi::Value create_training(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [settings = settings_argument(info[0])]() -> ToJs {
    auto training = new_training(settings);
    return [training](Napi::Env env) { return wrap(env, training, 20 * training->parameters()); };
  });
}

/// trainingInfo(training): {parameters, steps, scenes}
Napi::Value training_info(const Napi::CallbackInfo& info) {
  const auto training = unwrap<NetworkTraining>(info[0]);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameters", static_cast<double>(training->parameters()));
  result.Set("steps", static_cast<double>(training->steps()));
  result.Set("scenes", static_cast<double>(training->scenes()));
  return result;
}

/// trainingAdd(training, {images, labels, parts}): Promise<void>
Napi::Value training_add(const Napi::CallbackInfo& info) {
  const Napi::Object scenes = object_argument(info[1], "scenes");
  return run_job(info, Lane::model,
                 [training = segmentor_argument(info[0]), images = tensor_field(scenes, "images"),
                  labels = tensor_field(scenes, "labels"), parts = tensor_field(scenes, "parts")] {
                   training->segments().add(images, labels, parts);
                   return nothing();
                 });
}

/// trainingStep(training, batch, options): Promise<void>
Napi::Value training_step(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[2], "options");
  const TrainingStep options{number_field(object, "learningRate"), number_field(object, "weightDecay"),
                             number_field(object, "maxNorm"), number_field(object, "ema")};
  return run_job(
      info, Lane::model,
      [training = unwrap<NetworkTraining>(info[0]), batch = training_batch_argument(info[1]), options] {
        training->step(batch, options);
        return nothing();
      });
}

/// trainingLosses(training): Promise<TrainingLosses>
Napi::Value training_losses(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [training = unwrap<NetworkTraining>(info[0])]() -> ToJs {
    return [losses = training->take_losses()](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      for (const auto& [name, value] : losses) result.Set(name, value);
      return result;
    };
  });
}

/// trainingCalibrate(training, batch): Promise<void>
Napi::Value training_calibrate(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = segmentor_argument(info[0]), batch = training_batch_argument(info[1])] {
                   training->calibrate(batch);
                   return nothing();
                 });
}

/// trainingPredictions(training, images): Promise<{logits, masks}>
Napi::Value training_predictions(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = segmentor_argument(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   const auto [logits, masks] = training->predictions(images);
                   return [logits = logits, masks = masks](Napi::Env env) -> Napi::Value {
                     return tensor_object(env, {{"logits", logits}, {"masks", masks}});
                   };
                 });
}

/// trainingSave(training, {backbone?, head, dtype, metadata}): Promise<void>
Napi::Value training_save(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  TrainedFiles files;
  if (options.Has("backbone")) files.backbone = string_field(options, "backbone");
  files.head = string_field(options, "head");
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), files, dtype = network_dtype_field(options),
                  metadata = string_map(object_argument(options.Get("metadata"), "metadata"))] {
                   training->save(files, dtype, metadata);
                   return nothing();
                 });
}

/// trainingSaveState(training, path): Promise<void>
Napi::Value training_save_state(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), path = string_argument(info[1], "path")] {
                   training->save_state(path);
                   return nothing();
                 });
}

/// trainingRestoreState(training, path): Promise<void>
Napi::Value training_restore_state(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), path = string_argument(info[1], "path")] {
                   training->restore_state(path);
                   return nothing();
                 });
}

/// trainingViews(training, batch): Promise<{images, shares, counted, classes}>
Napi::Value training_views(const Napi::CallbackInfo& info) {
  const Napi::Object sizes = object_argument(info[2], "sizes");
  return run_job(info, Lane::model,
                 [training = segmentor_argument(info[0]), batch = training_batch_argument(info[1]),
                  height = integer_field(sizes, "height"), width = integer_field(sizes, "width")]() -> ToJs {
                   const TrainingViews views =
                       training->segments().views(batch.scenes, batch.views, height, width);
                   return [views](Napi::Env env) -> Napi::Value {
                     Napi::Object result = tensor_object(env, {{"images", views.images},
                                                               {"shares", views.targets.shares},
                                                               {"counted", views.targets.counted}});
                     result.Set("classes", class_lists_array(env, views.targets.classes));
                     return result;
                   };
                 });
}

/// setLoss({logits, masks, shares, counted, classes}): Promise<{losses, dLogits, dMasks}>
Napi::Value set_loss_of(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "predictions");
  const SegmentTargets targets{tensor_field(object, "shares"), tensor_field(object, "counted"),
                               class_lists(object.Get("classes"))};
  return run_job(
      info, Lane::model,
      [targets, logits = tensor_field(object, "logits"), masks = tensor_field(object, "masks")]() -> ToJs {
        const at::Tensor x = logits.detach().clone().requires_grad_(true);
        const at::Tensor y = masks.detach().clone().requires_grad_(true);
        const c10::AutoGradMode with_grad(true);
        const SetLoss loss = set_loss(x, y, targets);
        const auto gradients = torch::autograd::grad({loss.total}, {x, y}, {}, std::nullopt, false, true);
        const c10::NoGradGuard no_grad;
        const at::Tensor losses = at::stack({loss.total, loss.classes, loss.mask, loss.dice}).to(at::kDouble);
        return [losses, gradients](Napi::Env env) -> Napi::Value {
          Napi::Object result = tensor_object(env, {{"dLogits", gradients[0]}, {"dMasks", gradients[1]}});
          result.Set("losses", typed_array(env, losses));
          return result;
        };
      });
}

}  // namespace

void export_training(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<create_training>>(env, exports, "createTraining");
  export_function<synchronous<training_info>>(env, exports, "trainingInfo");
  export_function<asynchronous<training_add>>(env, exports, "trainingAdd");
  export_function<asynchronous<training_step>>(env, exports, "trainingStep");
  export_function<asynchronous<training_losses>>(env, exports, "trainingLosses");
  export_function<asynchronous<training_calibrate>>(env, exports, "trainingCalibrate");
  export_function<asynchronous<training_predictions>>(env, exports, "trainingPredictions");
  export_function<asynchronous<training_save>>(env, exports, "trainingSave");
  export_function<asynchronous<training_save_state>>(env, exports, "trainingSaveState");
  export_function<asynchronous<training_restore_state>>(env, exports, "trainingRestoreState");
  export_function<asynchronous<training_views>>(env, exports, "trainingViews");
  export_function<asynchronous<set_loss_of>>(env, exports, "setLoss");
}

}  // namespace dinov3_seg
