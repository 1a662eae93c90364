// ClassEmbed: creation, gradients, optimiser steps, state.
#include <ATen/ATen.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/confusion.h"
#include "core/dense_scores.h"
#include "core/device.h"
#include "core/error.h"
#include "ops/class_map.h"

namespace dinov3_seg {
namespace {

Napi::Value wrap_head(Napi::Env env, ClassEmbed head) {
  const int64_t bytes = (head.weight().value.numel() + head.bias().value.numel()) * 4 * 4;
  return wrap(env, std::make_shared<ClassEmbed>(std::move(head)), bytes);
}

Decoded decoded_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "decoded");
  return {tensor_field(object, "queries"), tensor_field(object, "masks")};
}

/// createHead(options: HeadOptions): HeadHandle
Napi::Value create_head(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  const auto device = parse_device(string_field(options, "device"));
  const auto precision = parse_precision(string_field(options, "precision"));
  const int64_t hidden = integer_field(options, "hidden"), classes = integer_field(options, "classes");
  if (options.Get("weight").IsUndefined()) {
    const auto seed =
        static_cast<uint64_t>(options.Get("seed").IsUndefined() ? 0 : integer_field(options, "seed"));
    return wrap_head(info.Env(), ClassEmbed(hidden, classes, device, precision, seed));
  }
  ClassEmbed head(tensor_field(options, "weight"), tensor_field(options, "bias"), device, precision);
  if (head.hidden() != hidden || head.classes() != classes)
    fail("HEAD_MISMATCH", "expected a head of ", classes, " classes for queries of width ", hidden,
         ", got weight ", head.weight().value.sizes());
  return wrap_head(info.Env(), std::move(head));
}

/// headOfModel(model, precision): HeadHandle
Napi::Value head_of_model(const Napi::CallbackInfo& info) {
  const auto precision = parse_precision(string_argument(info[1], "precision"));
  return wrap_head(info.Env(), unwrap<SegmentationModel>(info[0])->class_embed(precision));
}

/// headForward(head, queries): Promise<TensorHandle>
Napi::Value head_forward(const Napi::CallbackInfo& info) {
  return run_job(
      info, Lane::model, [head = unwrap<ClassEmbed>(info[0]), queries = tensor_argument(info[1])]() -> ToJs {
        return [logits = head->forward(queries)](Napi::Env env) { return wrap_tensor(env, logits); };
      });
}

/// headBackward(head, queries, dLogits): Promise<void>
Napi::Value head_backward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [head = unwrap<ClassEmbed>(info[0]), queries = tensor_argument(info[1]),
                  d_logits = tensor_argument(info[2])]() -> ToJs {
                   head->backward(queries, d_logits);
                   return [](Napi::Env env) { return env.Undefined(); };
                 });
}

ToJs loss_result(const LossResult& result) {
  return [result](Napi::Env env) { return loss_object(env, result); };
}

/// headLoss(head, decoded, labels): Promise<LossResult>
Napi::Value head_loss(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [head = unwrap<ClassEmbed>(info[0]), decoded = decoded_argument(info[1]),
                  labels = tensor_argument(info[2])] {
                   return loss_result(head->loss(decoded.queries, decoded.masks, labels));
                 });
}

/// headAccumulate(head, decoded, labels, scale): Promise<LossResult>
Napi::Value head_accumulate(const Napi::CallbackInfo& info) {
  if (!info[3].IsNumber()) fail("INVALID_ARGUMENT", "scale must be a number");
  const double scale = info[3].As<Napi::Number>().DoubleValue();
  return run_job(info, Lane::model,
                 [head = unwrap<ClassEmbed>(info[0]), decoded = decoded_argument(info[1]),
                  labels = tensor_argument(info[2]), scale] {
                   say_doing("Training the head");
                   return loss_result(head->accumulate(decoded.queries, decoded.masks, labels, scale));
                 });
}

/// headAutograd(head, decoded, labels, precision): Promise<{dWeight, dBias}>, the gradient of headLoss by
/// autograd
Napi::Value head_autograd(const Napi::CallbackInfo& info) {
  const auto precision = parse_precision(string_argument(info[3], "precision"));
  return run_job(info, Lane::model,
                 [head = unwrap<ClassEmbed>(info[0]), decoded = decoded_argument(info[1]),
                  labels = tensor_argument(info[2]), precision]() -> ToJs {
                   const auto gradients =
                       autograd_gradients(*head, decoded.queries, decoded.masks, labels, precision);
                   return [gradients](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("dWeight", wrap_tensor(env, gradients.first));
                     object.Set("dBias", wrap_tensor(env, gradients.second));
                     return object;
                   };
                 });
}

/// headStep(head, options: StepOptions): Promise<{gradNorm}>
Napi::Value head_step(const Napi::CallbackInfo& info) {
  const StepOptions options = step_options(info[1]);
  return run_job(info, Lane::model, [head = unwrap<ClassEmbed>(info[0]), options]() -> ToJs {
    return [norm = head->step(options)](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("gradNorm", norm);
      return result;
    };
  });
}

/// The tensors of HeadState under their names there.
std::vector<std::pair<const char*, at::Tensor>> state_tensors(const ClassEmbed& head) {
  const TrainedParameter &w = head.weight(), &b = head.bias();
  return {{"weight", w.value},
          {"bias", b.value},
          {"dWeight", w.gradient},
          {"dBias", b.gradient},
          {"expAvgWeight", w.exp_avg},
          {"expAvgBias", b.exp_avg},
          {"expAvgSqWeight", w.exp_avg_sq},
          {"expAvgSqBias", b.exp_avg_sq}};
}

/// headState(head): Promise<HeadState>
Napi::Value head_state(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [head = unwrap<ClassEmbed>(info[0])]() -> ToJs {
    auto tensors = state_tensors(*head);
    for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kCPU, at::kFloat, false, true);
    return [tensors, steps = head->steps](Napi::Env env) -> Napi::Value {
      Napi::Object state = Napi::Object::New(env);
      for (const auto& [name, tensor] : tensors) state.Set(name, wrap_tensor(env, tensor));
      state.Set("steps", static_cast<double>(steps));
      return state;
    };
  });
}

/// headRestore(head, state): Promise<void>. Nothing is changed unless every tensor fits.
Napi::Value head_restore(const Napi::CallbackInfo& info) {
  const Napi::Object state = object_argument(info[1], "state");
  const auto head = unwrap<ClassEmbed>(info[0]);
  std::vector<at::Tensor> given;
  for (const auto& [name, own] : state_tensors(*head)) {
    given.push_back(tensor_field(state, name));
    if (given.back().sizes() != own.sizes())
      fail("HEAD_MISMATCH", name, " must be ", own.sizes(), ", got ", given.back().sizes());
  }
  return run_job(info, Lane::model, [head, given, steps = integer_field(state, "steps")]() -> ToJs {
    const auto own = state_tensors(*head);
    for (size_t i = 0; i < own.size(); ++i) own[i].second.copy_(given[i]);
    head->steps = steps;
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

/// classMap(head, decoded, {width, height, scoring}): Promise<TensorHandle>
Napi::Value class_map_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  const int64_t width = integer_field(options, "width"), height = integer_field(options, "height");
  if (width < 1 || height < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1, got ", width, "×", height);
  const Scoring scoring = parse_scoring(string_field(options, "scoring"));
  return run_job(info, Lane::model,
                 [head = unwrap<ClassEmbed>(info[0]), decoded = decoded_argument(info[1]), width, height,
                  scoring]() -> ToJs {
                   const DenseScores scores(head->forward(decoded.queries), decoded.masks.to(head->device()),
                                            scoring);
                   const at::Tensor map = class_map(scores, height, width);
                   return [map](Napi::Env env) { return wrap_tensor(env, map); };
                 });
}

/// confusion(prediction, labels, classes): Promise<Float64Array>
Napi::Value confusion(const Napi::CallbackInfo& info) {
  if (!info[2].IsNumber()) fail("INVALID_ARGUMENT", "classes must be a number");
  const int64_t classes = info[2].As<Napi::Number>().Int64Value();
  return run_job(
      info, Lane::model,
      [prediction = tensor_argument(info[0]), labels = tensor_argument(info[1]), classes]() -> ToJs {
        const at::Tensor counts = confusion_matrix(prediction, labels, classes).to(at::kDouble);
        return [counts](Napi::Env env) -> Napi::Value {
          auto array = Napi::Float64Array::New(env, static_cast<size_t>(counts.numel()));
          std::copy_n(counts.const_data_ptr<double>(), counts.numel(), array.Data());
          return array;
        };
      });
}

}  // namespace

void export_heads(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<create_head>>(env, exports, "createHead");
  export_function<synchronous<head_of_model>>(env, exports, "headOfModel");
  export_function<asynchronous<head_forward>>(env, exports, "headForward");
  export_function<asynchronous<head_backward>>(env, exports, "headBackward");
  export_function<asynchronous<head_loss>>(env, exports, "headLoss");
  export_function<asynchronous<head_accumulate>>(env, exports, "headAccumulate");
  export_function<asynchronous<head_autograd>>(env, exports, "headAutograd");
  export_function<asynchronous<head_step>>(env, exports, "headStep");
  export_function<asynchronous<head_state>>(env, exports, "headState");
  export_function<asynchronous<head_restore>>(env, exports, "headRestore");
  export_function<asynchronous<class_map_of>>(env, exports, "classMap");
  export_function<asynchronous<confusion>>(env, exports, "confusion");
}

}  // namespace dinov3_seg
