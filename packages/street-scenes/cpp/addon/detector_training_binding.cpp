// NetworkTraining of a detector's head.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "addon/training_handle.h"
#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/error.h"
#include "training/detector_training.h"

namespace dinov3_seg {
namespace {

std::shared_ptr<DetectorTraining> detector_argument(const Napi::Value& value) {
  auto training = std::dynamic_pointer_cast<DetectorTraining>(unwrap<NetworkTraining>(value));
  if (!training) fail("INVALID_ARGUMENT", "expected the training of a detector, this is a segmentor's");
  return training;
}

/// trainingAddBoxes(training, {images, boxes, classes, counts}): Promise<void>
Napi::Value training_add_boxes(const Napi::CallbackInfo& info) {
  const Napi::Object scenes = object_argument(info[1], "scenes");
  return run_job(info, Lane::model,
                 [training = detector_argument(info[0]), images = tensor_field(scenes, "images"),
                  boxes = tensor_field(scenes, "boxes"), classes = tensor_field(scenes, "classes"),
                  counts = tensor_field(scenes, "counts")]() -> ToJs {
                   training->boxes().add(images, boxes, classes, counts);
                   return [](Napi::Env env) { return env.Undefined(); };
                 });
}

/// trainingDetections(training, images): Promise<{logits, boxes}>
Napi::Value training_detections(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [training = detector_argument(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   const auto [logits, boxes] = training->predictions(images);
                   return [logits = logits, boxes = boxes](Napi::Env env) -> Napi::Value {
                     return tensor_object(env, {{"logits", logits}, {"boxes", boxes}});
                   };
                 });
}

/// trainingBoxViews(training, batch, {height, width}): Promise<{images, boxes, classes}>
Napi::Value training_box_views(const Napi::CallbackInfo& info) {
  const Napi::Object sizes = object_argument(info[2], "sizes");
  return run_job(info, Lane::model,
                 [training = detector_argument(info[0]), batch = training_batch_argument(info[1]),
                  height = integer_field(sizes, "height"), width = integer_field(sizes, "width")]() -> ToJs {
                   const BoxViews views = training->boxes().views(batch.scenes, batch.views, height, width);
                   return [views](Napi::Env env) -> Napi::Value {
                     Napi::Object result =
                         tensor_object(env, {{"images", views.images}, {"boxes", views.targets.boxes}});
                     result.Set("classes", class_lists_array(env, views.targets.classes));
                     return result;
                   };
                 });
}

/// boxLoss({logits, boxes, targets, classes, height, width, repeats}): Promise<{losses, dLogits, dBoxes}>
Napi::Value box_loss_of(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[0], "predictions");
  const BoxTargets targets{integer_field(object, "height"), integer_field(object, "width"),
                           tensor_field(object, "targets"), class_lists(object.Get("classes"))};
  return run_job(
      info, Lane::model,
      [targets, logits = tensor_field(object, "logits"), boxes = tensor_field(object, "boxes"),
       repeats = integer_field(object, "repeats")]() -> ToJs {
        const at::Tensor x = logits.detach().clone().requires_grad_(true);
        const at::Tensor y = boxes.detach().clone().requires_grad_(true);
        const c10::AutoGradMode with_grad(true);
        const BoxLoss loss = box_loss(x, y, targets, repeats);
        const auto gradients = torch::autograd::grad({loss.total}, {x, y}, {}, std::nullopt, false, true);
        const c10::NoGradGuard no_grad;
        const at::Tensor losses = at::stack({loss.total, loss.classes, loss.l1, loss.giou}).to(at::kDouble);
        return [losses, gradients](Napi::Env env) -> Napi::Value {
          Napi::Object result = tensor_object(env, {{"dLogits", gradients[0]}, {"dBoxes", gradients[1]}});
          result.Set("losses", typed_array(env, losses));
          return result;
        };
      });
}

}  // namespace

void export_detector_training(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<training_add_boxes>>(env, exports, "trainingAddBoxes");
  export_function<asynchronous<training_detections>>(env, exports, "trainingDetections");
  export_function<asynchronous<training_box_views>>(env, exports, "trainingBoxViews");
  export_function<asynchronous<box_loss_of>>(env, exports, "boxLoss");
}

}  // namespace dinov3_seg
