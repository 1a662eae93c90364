// Heads, one or several side by side, on the frozen network's outputs: creation, gradients, steps, state,
// class maps.
#include <ATen/ATen.h>

#include <memory>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/confusion.h"
#include "core/device.h"
#include "core/error.h"
#include "core/hungarian.h"
#include "heads/class_embed_heads.h"
#include "heads/linear_probe_heads.h"
#include "heads/mask2former_heads.h"
#include "ops/class_map.h"

namespace dinov3_seg {

std::shared_ptr<LinearHeads> linear_heads_argument(const Napi::Value& value) {
  const auto heads = std::dynamic_pointer_cast<LinearHeads>(unwrap<TrainedHeads>(value));
  if (!heads) fail("HEAD_MISMATCH", "expected a class_embed head, got a linear probe");
  return heads;
}

namespace {

at::Tensor tensor_or_none(const Napi::Object& object, const char* name) {
  return object.Get(name).IsUndefined() ? at::Tensor() : tensor_field(object, name);
}

/// {queries?, masks?, features?}, on the CPU or the heads' device.
NetworkOutputs outputs_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "outputs");
  return {tensor_or_none(object, "queries"), tensor_or_none(object, "masks"),
          tensor_or_none(object, "features")};
}

/// The same with labels and, where matching is to be stored, records.
HeadBatch head_batch_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "batch");
  HeadBatch batch{outputs_argument(value), {}, tensor_field(object, "labels")};
  if (object.Get("records").IsUndefined()) {
    batch.records.assign(batch.labels.dim() > 0 ? static_cast<size_t>(batch.labels.size(0)) : 0, -1);
    return batch;
  }
  for (const Napi::Value& record : array_argument(object.Get("records"), "records")) {
    if (!record.IsNumber()) fail("INVALID_ARGUMENT", "records must hold numbers");
    batch.records.push_back(record.As<Napi::Number>().Int64Value());
  }
  return batch;
}

HeadBatch moved(HeadBatch batch, c10::Device device) {
  for (at::Tensor* tensor : {&batch.queries, &batch.masks, &batch.features, &batch.labels})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

std::vector<uint64_t> seeds_field(const Napi::Object& options) {
  std::vector<uint64_t> seeds;
  for (const Napi::Value& seed : array_argument(options.Get("seeds"), "seeds")) {
    if (!seed.IsNumber()) fail("INVALID_ARGUMENT", "seeds must hold numbers");
    seeds.push_back(static_cast<uint64_t>(seed.As<Napi::Number>().Int64Value()));
  }
  return seeds;
}

/// The heads of class_embed or mask2former, with weight N×R×C and bias N×R that are given or follow from
/// seeds.
std::shared_ptr<TrainedHeads> linear_heads(const Napi::Object& options, bool is_matched) {
  const int64_t width = integer_field(options, "width");
  const int64_t outputs = integer_field(options, "classes") + (is_matched ? 1 : 0);
  at::Tensor weight = tensor_or_none(options, "weight"), bias;
  if (weight.defined()) {
    bias = tensor_field(options, "bias");
    if (weight.dim() == 3 && (weight.size(1) != outputs || weight.size(2) != width))
      fail("HEAD_MISMATCH", "expected heads of ", outputs, " outputs for queries of width ", width, ", got ",
           weight.size(1), " and ", weight.size(2));
  } else {
    weight = xavier_uniform(width, outputs, seeds_field(options));
    bias = at::zeros({weight.size(0), outputs});
  }
  const auto device = parse_device(string_field(options, "device"));
  const auto precision = parse_precision(string_field(options, "precision"));
  const at::Tensor class_weights = tensor_or_none(options, "classWeights");
  if (is_matched) return std::make_shared<Mask2FormerHeads>(weight, bias, device, precision, class_weights);
  std::vector<ScoreLoss> losses;
  for (const Napi::Value& loss : array_argument(options.Get("losses"), "losses"))
    losses.push_back(parse_score_loss(string_argument(loss, "a loss")));
  return std::make_shared<ClassEmbedHeads>(weight, bias, device, precision, losses, class_weights);
}

Napi::Value wrap_heads(Napi::Env env, std::shared_ptr<TrainedHeads> heads) {
  const auto bytes = 4 * static_cast<int64_t>(heads->value().nbytes());
  return wrap(env, std::move(heads), bytes);
}

/// createHeads(options: HeadsOptions): HeadsHandle
Napi::Value create_heads(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  const std::string kind = string_field(options, "kind");
  if (kind == "class_embed" || kind == "mask2former")
    return wrap_heads(info.Env(), linear_heads(options, kind == "mask2former"));
  if (kind == "linear_probe")
    return wrap_heads(info.Env(), std::make_shared<LinearProbeHeads>(
                                      integer_field(options, "width"), integer_field(options, "classes"),
                                      parse_device(string_field(options, "device")), seeds_field(options),
                                      tensor_or_none(options, "classWeights")));
  fail("INVALID_ARGUMENT", "unknown kind of heads '", kind,
       "': expected class_embed, mask2former or linear_probe");
}

/// headOfModel(model, precision): HeadsHandle
Napi::Value head_of_model(const Napi::CallbackInfo& info) {
  const auto precision = parse_precision(string_argument(info[1], "precision"));
  const auto model = unwrap<SegmentationModel>(info[0]);
  const std::vector<ScoreLoss> losses{ScoreLoss::cross_entropy};
  return wrap_heads(info.Env(),
                    std::make_shared<ClassEmbedHeads>(model->class_embed_weight().unsqueeze(0),
                                                      model->class_embed_bias().unsqueeze(0), model->device(),
                                                      precision, losses, at::Tensor()));
}

/// headsForward(heads, outputs): Promise<TensorHandle>
Napi::Value heads_forward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [heads = unwrap<TrainedHeads>(info[0]), outputs = outputs_argument(info[1])]() -> ToJs {
                   at::Tensor result = heads->forward(outputs);
                   if (heads->heads() == 1) result = result.squeeze(heads->needs_features() ? 1 : 2);
                   return [result](Napi::Env env) { return wrap_tensor(env, result); };
                 });
}

/// headsBackward(heads, queries, dLogits): Promise<void>
Napi::Value heads_backward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [heads = linear_heads_argument(info[0]), queries = tensor_argument(info[1]),
                  d_logits = tensor_argument(info[2])]() -> ToJs {
                   heads->backward(queries, d_logits.dim() == 3 ? d_logits.unsqueeze(2) : d_logits);
                   return [](Napi::Env env) { return env.Undefined(); };
                 });
}

/// headsAutograd(heads, batch, precision): Promise<{dWeight, dBias}>
Napi::Value heads_autograd(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [head = linear_heads_argument(info[0]), batch = head_batch_argument(info[1]),
                  precision = parse_precision(string_argument(info[2], "precision"))]() -> ToJs {
                   const auto gradients = autograd_gradients(*head, moved(batch, head->device()), precision);
                   return [gradients](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("dWeight", wrap_tensor(env, gradients.first));
                     object.Set("dBias", wrap_tensor(env, gradients.second));
                     return object;
                   };
                 });
}

/// headsLosses(heads, batch): Promise<Float64Array>
Napi::Value heads_losses(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [heads = unwrap<TrainedHeads>(info[0]), batch = head_batch_argument(info[1])]() -> ToJs {
                   const at::Tensor losses = heads->losses(moved(batch, heads->device())).cpu().contiguous();
                   return [losses](Napi::Env env) { return typed_array(env, losses); };
                 });
}

/// headsAccumulate(heads, batch: HeadBatch, scale, include?): Promise<{loss, weight}>
Napi::Value heads_accumulate(const Napi::CallbackInfo& info) {
  if (!info[2].IsNumber()) fail("INVALID_ARGUMENT", "scale must be a number");
  const at::Tensor include = info[3].IsUndefined() ? at::Tensor() : tensor_argument(info[3]);
  const auto heads = unwrap<TrainedHeads>(info[0]);
  const HeadBatch batch = head_batch_argument(info[1]);
  const auto images = static_cast<int64_t>(batch.records.size());
  if (include.defined() &&
      (include.sizes() != at::IntArrayRef{images, heads->heads()} || include.scalar_type() != at::kFloat))
    fail("SHAPE", "include must be ", images, "×", heads->heads(), " float32, got ", include.sizes());
  return run_job(
      info, Lane::model, [heads, batch, include, scale = info[2].As<Napi::Number>().DoubleValue()]() -> ToJs {
        const c10::Device device = heads->device();
        say_doing("Training heads");
        const HeadLosses result =
            heads->accumulate(moved(batch, device), include.defined() ? include.to(device) : include, scale);
        const at::Tensor loss = result.loss.to(at::kCPU).contiguous();
        const at::Tensor weight = result.weight.to(at::kCPU).contiguous();
        return [loss, weight](Napi::Env env) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("loss", typed_array(env, loss));
          object.Set("weight", typed_array(env, weight));
          return object;
        };
      });
}

/// headsStep(heads, options: StepOptions[], steps: number[], active: boolean[], isStrict?):
/// Promise<Float32Array>
Napi::Value heads_step(const Napi::CallbackInfo& info) {
  const auto heads = unwrap<TrainedHeads>(info[0]);
  std::vector<StepOptions> options;
  std::vector<int64_t> steps;
  std::vector<bool> active;
  for (const Napi::Value& item : array_argument(info[1], "options")) options.push_back(step_options(item));
  for (const Napi::Value& item : array_argument(info[2], "steps")) {
    if (!item.IsNumber() || item.As<Napi::Number>().Int64Value() < 1)
      fail("INVALID_ARGUMENT", "steps must hold numbers from 1");
    steps.push_back(item.As<Napi::Number>().Int64Value());
  }
  for (const Napi::Value& item : array_argument(info[3], "active")) {
    if (!item.IsBoolean()) fail("INVALID_ARGUMENT", "active must hold true or false");
    active.push_back(item.As<Napi::Boolean>().Value());
  }
  const auto count = static_cast<size_t>(heads->heads());
  if (options.size() != count || steps.size() != count || active.size() != count)
    fail("INVALID_ARGUMENT", "expected options, steps and active of ", count, " heads, got ", options.size(),
         ", ", steps.size(), " and ", active.size());
  const bool is_strict = info[4].IsBoolean() && info[4].As<Napi::Boolean>().Value();
  return run_job(info, Lane::model, [heads, options, steps, active, is_strict]() -> ToJs {
    if (is_strict) heads->require_finite_gradients();
    const at::Tensor table = TrainedHeads::coefficients(options, steps, active).to(heads->device());
    return [norms = heads->step(table, options[0]).to(at::kCPU)](Napi::Env env) {
      return typed_array(env, norms);
    };
  });
}

/// headsEvaluate(heads, batch): Promise<{losses: Float64Array, confusion: Float64Array}>
Napi::Value heads_evaluate(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [heads = unwrap<TrainedHeads>(info[0]), batch = head_batch_argument(info[1])]() -> ToJs {
                   const HeadCounts counts = heads->evaluate(moved(batch, heads->device()));
                   const at::Tensor losses = counts.losses.to(at::kCPU).contiguous();
                   const at::Tensor confusion = counts.confusion.to(at::kCPU, at::kDouble).contiguous();
                   return [losses, confusion](Napi::Env env) -> Napi::Value {
                     Napi::Object result = Napi::Object::New(env);
                     result.Set("losses", typed_array(env, losses));
                     result.Set("confusion", typed_array(env, confusion));
                     return result;
                   };
                 });
}

/// The tensors of HeadsState under their names there.
std::vector<std::pair<const char*, at::Tensor>> state_tensors(const TrainedHeads& heads) {
  std::vector<std::pair<const char*, at::Tensor>> tensors = {{"value", heads.value()},
                                                             {"gradient", heads.gradient()},
                                                             {"expAvg", heads.exp_avg()},
                                                             {"expAvgSq", heads.exp_avg_sq()}};
  for (auto& buffer : heads.buffers()) tensors.push_back(std::move(buffer));
  return tensors;
}

/// headsState(heads): Promise<HeadsState>
Napi::Value heads_state(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [heads = unwrap<TrainedHeads>(info[0])]() -> ToJs {
    auto tensors = state_tensors(*heads);
    for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kCPU, at::kFloat, false, true);
    return [tensors](Napi::Env env) -> Napi::Value {
      Napi::Object state = Napi::Object::New(env);
      for (const auto& [name, tensor] : tensors) state.Set(name, wrap_tensor(env, tensor));
      return state;
    };
  });
}

/// headsRestore(heads, state): Promise<void>. Nothing is changed unless every tensor fits.
Napi::Value heads_restore(const Napi::CallbackInfo& info) {
  const Napi::Object state = object_argument(info[1], "state");
  const auto heads = unwrap<TrainedHeads>(info[0]);
  std::vector<at::Tensor> given;
  for (const auto& [name, own] : state_tensors(*heads)) {
    given.push_back(tensor_field(state, name));
    if (given.back().sizes() != own.sizes())
      fail("HEAD_MISMATCH", name, " must be ", own.sizes(), ", got ", given.back().sizes());
  }
  return run_job(info, Lane::model, [heads, given]() -> ToJs {
    const auto own = state_tensors(*heads);
    for (size_t i = 0; i < own.size(); ++i) own[i].second.copy_(given[i]);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

/// leastCostAssignment(costs): Promise<Int32Array>
Napi::Value least_cost_assignment(const Napi::CallbackInfo& info) {
  const at::Tensor costs = tensor_argument(info[0]).to(at::kCPU, at::kDouble).contiguous();
  if (costs.dim() != 2) fail("SHAPE", "expected costs rows×columns, got ", costs.sizes());
  return run_job(info, Lane::model, [costs]() -> ToJs {
    const c10::ArrayRef<double> values(costs.const_data_ptr<double>(), static_cast<size_t>(costs.numel()));
    const at::Tensor columns =
        at::tensor(assign_least_cost(values, costs.size(0), costs.size(1))).to(at::kInt);
    return [columns](Napi::Env env) { return typed_array(env, columns); };
  });
}

/// classMap(heads, outputs, {width, height, scoring}): Promise<TensorHandle>
Napi::Value class_map_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  const int64_t width = integer_field(options, "width"), height = integer_field(options, "height");
  if (width < 1 || height < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1, got ", width, "×", height);
  return run_job(info, Lane::model,
                 [head = unwrap<TrainedHeads>(info[0]), outputs = outputs_argument(info[1]), width, height,
                  scoring = parse_scoring(string_field(options, "scoring"))]() -> ToJs {
                   const at::Tensor map = class_map(head->dense_scores(outputs, scoring), height, width);
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
        return [counts](Napi::Env env) { return typed_array(env, counts); };
      });
}

}  // namespace

void export_trained_heads(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<create_heads>>(env, exports, "createHeads");
  export_function<synchronous<head_of_model>>(env, exports, "headOfModel");
  export_function<asynchronous<heads_forward>>(env, exports, "headsForward");
  export_function<asynchronous<heads_backward>>(env, exports, "headsBackward");
  export_function<asynchronous<heads_autograd>>(env, exports, "headsAutograd");
  export_function<asynchronous<heads_losses>>(env, exports, "headsLosses");
  export_function<asynchronous<class_map_of>>(env, exports, "classMap");
  export_function<asynchronous<confusion>>(env, exports, "confusion");
  export_function<asynchronous<heads_accumulate>>(env, exports, "headsAccumulate");
  export_function<asynchronous<heads_step>>(env, exports, "headsStep");
  export_function<asynchronous<heads_evaluate>>(env, exports, "headsEvaluate");
  export_function<asynchronous<heads_state>>(env, exports, "headsState");
  export_function<asynchronous<heads_restore>>(env, exports, "headsRestore");
  export_function<asynchronous<least_cost_assignment>>(env, exports, "leastCostAssignment");
}

}  // namespace dinov3_seg
