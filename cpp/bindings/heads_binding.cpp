// TrainedHeads: heads side by side on the frozen network's outputs.
#include <ATen/ATen.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/error.h"
#include "core/hungarian.h"
#include "heads/class_embed_heads.h"
#include "heads/linear_probe_heads.h"
#include "heads/mask2former_heads.h"

namespace dinov3_seg {
namespace {

at::Tensor tensor_or_none(const Napi::Object& object, const char* name) {
  return object.Get(name).IsUndefined() ? at::Tensor() : tensor_field(object, name);
}

/// Records, and the tensors on the CPU or the heads' device.
HeadBatch head_batch_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "batch");
  HeadBatch batch;
  for (const Napi::Value& record : array_argument(object.Get("records"), "records")) {
    if (!record.IsNumber()) fail("INVALID_ARGUMENT", "records must hold numbers");
    batch.records.push_back(record.As<Napi::Number>().Int64Value());
  }
  batch.queries = tensor_or_none(object, "queries");
  batch.masks = tensor_or_none(object, "masks");
  batch.features = tensor_or_none(object, "features");
  batch.labels = tensor_field(object, "labels");
  return batch;
}

HeadBatch moved(HeadBatch batch, c10::Device device) {
  for (at::Tensor* tensor : {&batch.queries, &batch.masks, &batch.features, &batch.labels})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

/// Throws HEAD_MISMATCH unless the weights are those of `outputs` outputs for queries of the named width.
void check_sizes(const Napi::Object& options, const LinearHeads& heads, int64_t outputs) {
  const int64_t hidden = integer_field(options, "hidden");
  if (heads.hidden() != hidden || heads.outputs() != outputs)
    fail("HEAD_MISMATCH", "expected heads of ", outputs, " outputs for queries of width ", hidden, ", got ",
         heads.outputs(), " and ", heads.hidden());
}

std::shared_ptr<TrainedHeads> class_embed_heads(const Napi::Object& options) {
  std::vector<ScoreLoss> losses;
  for (const Napi::Value& loss : array_argument(options.Get("losses"), "losses"))
    losses.push_back(parse_score_loss(string_argument(loss, "a loss")));
  auto heads = std::make_shared<ClassEmbedHeads>(
      tensor_field(options, "weight"), tensor_field(options, "bias"),
      parse_device(string_field(options, "device")), parse_precision(string_field(options, "precision")),
      losses, tensor_or_none(options, "classWeights"));
  check_sizes(options, *heads, integer_field(options, "classes"));
  return heads;
}

std::shared_ptr<TrainedHeads> mask2former_heads(const Napi::Object& options) {
  auto heads = std::make_shared<Mask2FormerHeads>(
      tensor_field(options, "weight"), tensor_field(options, "bias"),
      parse_device(string_field(options, "device")), parse_precision(string_field(options, "precision")),
      tensor_or_none(options, "classWeights"));
  check_sizes(options, *heads, integer_field(options, "classes") + 1);
  return heads;
}

std::shared_ptr<TrainedHeads> linear_probe_heads(const Napi::Object& options) {
  std::vector<uint64_t> seeds;
  for (const Napi::Value& seed : array_argument(options.Get("seeds"), "seeds")) {
    if (!seed.IsNumber()) fail("INVALID_ARGUMENT", "seeds must hold numbers");
    seeds.push_back(static_cast<uint64_t>(seed.As<Napi::Number>().Int64Value()));
  }
  return std::make_shared<LinearProbeHeads>(
      integer_field(options, "width"), integer_field(options, "classes"),
      parse_device(string_field(options, "device")), seeds, tensor_or_none(options, "classWeights"));
}

/// createHeads(options: HeadsOptions | ProbeHeadsOptions): HeadsHandle
Napi::Value create_heads(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  const std::string kind = string_field(options, "kind");
  std::shared_ptr<TrainedHeads> heads;
  if (kind == "class_embed")
    heads = class_embed_heads(options);
  else if (kind == "mask2former")
    heads = mask2former_heads(options);
  else if (kind == "linear_probe")
    heads = linear_probe_heads(options);
  else
    fail("INVALID_ARGUMENT", "unknown kind of heads '", kind,
         "': expected class_embed, mask2former or linear_probe");
  return wrap(info.Env(), heads, 4 * static_cast<int64_t>(heads->value().nbytes()));
}

ToJs float64_result(const at::Tensor& values) {
  return [host = values.to(at::kCPU).contiguous()](Napi::Env env) { return typed_array(env, host); };
}

/// headsAccumulate(heads, batch: HeadBatch, scale, include?): Promise<Float64Array>
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
      info, Lane::model, [heads, batch, include, scale = info[2].As<Napi::Number>().DoubleValue()] {
        const c10::Device device = heads->device();
        say_doing("Training heads");
        return float64_result(
            heads->accumulate(moved(batch, device), include.defined() ? include.to(device) : include, scale));
      });
}

/// headsStep(heads, options: StepOptions[], steps: number[], active: boolean[]): Promise<Float32Array>
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
  return run_job(info, Lane::model, [heads, options, steps, active]() -> ToJs {
    const at::Tensor table = TrainedHeads::coefficients(options, steps, active).to(heads->device());
    return [norms = heads->step(table).to(at::kCPU)](Napi::Env env) { return typed_array(env, norms); };
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

}  // namespace

void export_trained_heads(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<create_heads>>(env, exports, "createHeads");
  export_function<asynchronous<heads_accumulate>>(env, exports, "headsAccumulate");
  export_function<asynchronous<heads_step>>(env, exports, "headsStep");
  export_function<asynchronous<heads_evaluate>>(env, exports, "headsEvaluate");
  export_function<asynchronous<heads_state>>(env, exports, "headsState");
  export_function<asynchronous<heads_restore>>(env, exports, "headsRestore");
  export_function<asynchronous<least_cost_assignment>>(env, exports, "leastCostAssignment");
}

}  // namespace dinov3_seg
