// NetworkTraining: a whole segmentor from nothing.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "bindings/job_queue.h"
#include "bindings/training_handle.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

Finish nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

TrainingSettings settings_argument(const Napi::Value& value) {
  const Napi::Object options = object_argument(value, "options");
  TrainingSettings settings;
  settings.architecture = string_field(options, "architecture");
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

TrainingBatch batch_argument(const Napi::Value& value) {
  const Napi::Object batch = object_argument(value, "batch");
  return {tensor_field(batch, "scenes"), tensor_field(batch, "views")};
}

std::vector<int64_t> integers_argument(const Napi::Value& value, const char* what) {
  std::vector<int64_t> integers;
  for (const Napi::Value& each : array_argument(value, what)) {
    if (!each.IsNumber()) fail("INVALID_ARGUMENT", what, " must hold numbers");
    integers.push_back(each.As<Napi::Number>().Int64Value());
  }
  return integers;
}

/// createTraining(options): Promise<TrainingHandle>
Napi::Value create_training(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [settings = settings_argument(info[0])]() -> Finish {
    auto training = std::make_shared<NetworkTraining>(settings);
    return [training](Napi::Env env) { return wrap(env, training, 20 * training->parameters()); };
  });
}

/// trainingInfo(training): {parameters, steps, scenes}
Napi::Value training_info(const Napi::CallbackInfo& info) {
  const auto training = unwrap<NetworkTraining>(info[0]);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameters", static_cast<double>(training->parameters()));
  result.Set("steps", static_cast<double>(training->steps()));
  result.Set("scenes", static_cast<double>(training->scenes().size()));
  return result;
}

/// trainingAdd(training, {images, labels, parts}): Promise<void>
Napi::Value training_add(const Napi::CallbackInfo& info) {
  const Napi::Object scenes = object_argument(info[1], "scenes");
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), images = tensor_field(scenes, "images"),
                  labels = tensor_field(scenes, "labels"), parts = tensor_field(scenes, "parts")] {
                   training->scenes().add(images, labels, parts);
                   return nothing();
                 });
}

/// trainingStep(training, batch, options): Promise<void>
Napi::Value training_step(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[2], "options");
  const TrainingStep options{number_field(object, "learningRate"), number_field(object, "weightDecay"),
                             number_field(object, "maxNorm"), number_field(object, "ema")};
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), batch = batch_argument(info[1]), options] {
                   training->step(batch, options);
                   return nothing();
                 });
}

/// trainingLosses(training): Promise<TrainingLosses>
Napi::Value training_losses(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [training = unwrap<NetworkTraining>(info[0])]() -> Finish {
    return [losses = training->take_losses()](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("total", losses.total);
      result.Set("classes", losses.classes);
      result.Set("mask", losses.mask);
      result.Set("dice", losses.dice);
      result.Set("gradientNorm", losses.gradient_norm);
      return result;
    };
  });
}

/// trainingCalibrate(training, batch): Promise<void>
Napi::Value training_calibrate(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), batch = batch_argument(info[1])] {
                   training->calibrate(batch);
                   return nothing();
                 });
}

Napi::Object pair_object(Napi::Env env, const char* first, const at::Tensor& a, const char* second,
                         const at::Tensor& b) {
  Napi::Object result = Napi::Object::New(env);
  result.Set(first, wrap_tensor(env, a));
  result.Set(second, wrap_tensor(env, b));
  return result;
}

/// trainingPredictions(training, images): Promise<{logits, masks}>
Napi::Value training_predictions(const Napi::CallbackInfo& info) {
  return run_job(
      info, Lane::model,
      [training = unwrap<NetworkTraining>(info[0]), images = tensor_argument(info[1])]() -> Finish {
        const auto [logits, masks] = training->predictions(images);
        return [logits = logits, masks = masks](Napi::Env env) -> Napi::Value {
          return pair_object(env, "logits", logits, "masks", masks);
        };
      });
}

/// trainingSave(training, {backbone, head, dtype, metadata}): Promise<void>
Napi::Value training_save(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  return run_job(info, Lane::model,
                 [training = unwrap<NetworkTraining>(info[0]), backbone = string_field(options, "backbone"),
                  head = string_field(options, "head"), dtype = network_dtype_field(options),
                  metadata = string_map(object_argument(options.Get("metadata"), "metadata"))] {
                   training->save(backbone, head, dtype, metadata);
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
  return run_job(
      info, Lane::model,
      [training = unwrap<NetworkTraining>(info[0]), batch = batch_argument(info[1]),
       height = integer_field(sizes, "height"), width = integer_field(sizes, "width")]() -> Finish {
        const TrainingViews views = training->scenes().views(batch.scenes, batch.views, height, width);
        return [views](Napi::Env env) -> Napi::Value {
          Napi::Object result =
              pair_object(env, "shares", views.targets.shares, "counted", views.targets.counted);
          result.Set("images", wrap_tensor(env, views.images));
          Napi::Array classes = Napi::Array::New(env);
          for (size_t b = 0; b < views.targets.classes.size(); ++b)
            classes.Set(static_cast<uint32_t>(b), shape_array(env, views.targets.classes[b]));
          result.Set("classes", classes);
          return result;
        };
      });
}

/// setLoss({logits, masks, shares, counted, classes}): Promise<{losses, dLogits, dMasks}>
Napi::Value set_loss_of(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "predictions");
  SegmentTargets targets{tensor_field(object, "shares"), tensor_field(object, "counted"), {}};
  for (const Napi::Value& each : array_argument(object.Get("classes"), "classes"))
    targets.classes.push_back(integers_argument(each, "classes"));
  return run_job(
      info, Lane::model,
      [targets, logits = tensor_field(object, "logits"), masks = tensor_field(object, "masks")]() -> Finish {
        const at::Tensor x = logits.detach().clone().requires_grad_(true);
        const at::Tensor y = masks.detach().clone().requires_grad_(true);
        const c10::AutoGradMode with_grad(true);
        const SetLoss loss = set_loss(x, y, targets);
        const auto gradients = torch::autograd::grad({loss.total}, {x, y}, {}, std::nullopt, false, true);
        const c10::NoGradGuard no_grad;
        const at::Tensor losses = at::stack({loss.total, loss.classes, loss.mask, loss.dice}).to(at::kDouble);
        return [losses, gradients](Napi::Env env) -> Napi::Value {
          Napi::Object result = pair_object(env, "dLogits", gradients[0], "dMasks", gradients[1]);
          result.Set("losses", typed_array(env, losses));
          return result;
        };
      });
}

}  // namespace

void export_training(Napi::Env env, Napi::Object exports) {
  exports.Set("createTraining", Napi::Function::New(env, asynchronous<create_training>));
  exports.Set("trainingInfo", Napi::Function::New(env, synchronous<training_info>));
  exports.Set("trainingAdd", Napi::Function::New(env, asynchronous<training_add>));
  exports.Set("trainingStep", Napi::Function::New(env, asynchronous<training_step>));
  exports.Set("trainingLosses", Napi::Function::New(env, asynchronous<training_losses>));
  exports.Set("trainingCalibrate", Napi::Function::New(env, asynchronous<training_calibrate>));
  exports.Set("trainingPredictions", Napi::Function::New(env, asynchronous<training_predictions>));
  exports.Set("trainingSave", Napi::Function::New(env, asynchronous<training_save>));
  exports.Set("trainingSaveState", Napi::Function::New(env, asynchronous<training_save_state>));
  exports.Set("trainingRestoreState", Napi::Function::New(env, asynchronous<training_restore_state>));
  exports.Set("trainingViews", Napi::Function::New(env, asynchronous<training_views>));
  exports.Set("setLoss", Napi::Function::New(env, asynchronous<set_loss_of>));
}

}  // namespace dinov3_seg
