// The operators alone, for tests and benches.
#include <ATen/ATen.h>

#include <array>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/error.h"
#include "ops/score_ops.h"
#include "ops/score_ops_reference.h"

namespace dinov3_seg {
namespace {

bool flag_field(const Napi::Object& object, const char* name) {
  return !object.Get(name).IsUndefined() && boolean_field(object, name);
}

/// `repeat`: how often the operator is run, so that benches time it and not the job queue.
int64_t repeat_field(const Napi::Object& object) {
  return object.Get("repeat").IsUndefined() ? 1 : integer_field(object, "repeat");
}

std::vector<int64_t> losses_field(const Napi::Object& object) {
  const Napi::Value value = object.Get("losses");
  if (!value.IsArray()) fail("INVALID_ARGUMENT", "losses must be an array");
  const auto names = value.As<Napi::Array>();
  std::vector<int64_t> losses;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const ScoreLoss loss = parse_score_loss(string_argument(names.Get(i), "losses"));
    losses.push_back(static_cast<int64_t>(loss));
  }
  return losses;
}

/// toDevice(tensor, device): Promise<TensorHandle>
Napi::Value to_device(const Napi::CallbackInfo& info) {
  const c10::Device device = parse_device(string_argument(info[1], "device"));
  return run_job(info, Lane::model, [tensor = tensor_argument(info[0]), device]() -> ToJs {
    return [moved = tensor.to(device)](Napi::Env env) { return wrap_tensor(env, moved); };
  });
}

/// scoreLoss(scores, labels, {losses, classWeights?, gradient?, plain?, repeat?}): Promise<{sums, gradient?}>
Napi::Value score_loss_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  std::optional<at::Tensor> class_weights;
  if (!options.Get("classWeights").IsUndefined()) class_weights = tensor_field(options, "classWeights");
  return run_job(info, Lane::model,
                 [scores = tensor_argument(info[0]), labels = tensor_argument(info[1]), class_weights,
                  losses = losses_field(options), gradient = flag_field(options, "gradient"),
                  function = flag_field(options, "plain") ? score_loss_reference : score_loss,
                  repeat = repeat_field(options)]() -> ToJs {
                   std::tuple<at::Tensor, at::Tensor> result;
                   for (int64_t i = 0; i < repeat; ++i)
                     result = function(scores, labels, class_weights, losses, gradient);
                   return [result](Napi::Env env) -> Napi::Value {
                     const auto& [sums, d_scores] = result;
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("sums", wrap_tensor(env, sums));
                     if (d_scores.defined()) object.Set("gradient", wrap_tensor(env, d_scores));
                     return object;
                   };
                 });
}

/// scoreCounts(scores, labels, {plain?, repeat?}): Promise<TensorHandle>
Napi::Value score_counts_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  return run_job(info, Lane::model,
                 [scores = tensor_argument(info[0]), labels = tensor_argument(info[1]),
                  function = flag_field(options, "plain") ? score_counts_reference : score_counts,
                  repeat = repeat_field(options)]() -> ToJs {
                   at::Tensor counts;
                   for (int64_t i = 0; i < repeat; ++i) counts = function(scores, labels);
                   return [counts](Napi::Env env) { return wrap_tensor(env, counts); };
                 });
}

/// adamwStep({value, gradient, expAvg, expAvgSq, coefficients}, {beta1, beta2, epsilon, plain?, repeat?}):
/// Promise<TensorHandle> of the norms; the tensors are changed.
Napi::Value adamw_step_of(const Napi::CallbackInfo& info) {
  const Napi::Object state = object_argument(info[0], "state");
  const Napi::Object options = object_argument(info[1], "options");
  std::array<at::Tensor, 4> tensors{tensor_field(state, "value"), tensor_field(state, "gradient"),
                                    tensor_field(state, "expAvg"), tensor_field(state, "expAvgSq")};
  return run_job(
      info, Lane::model,
      [tensors, coefficients = tensor_field(state, "coefficients"), beta1 = number_field(options, "beta1"),
       beta2 = number_field(options, "beta2"), epsilon = number_field(options, "epsilon"),
       function = flag_field(options, "plain") ? adamw_step_reference : adamw_step,
       repeat = repeat_field(options)]() mutable -> ToJs {
        at::Tensor norms;
        for (int64_t i = 0; i < repeat; ++i)
          norms =
              function(tensors[0], tensors[1], tensors[2], tensors[3], coefficients, beta1, beta2, epsilon);
        return [norms](Napi::Env env) { return wrap_tensor(env, norms); };
      });
}

}  // namespace

void export_ops(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<to_device>>(env, exports, "toDevice");
  export_function<asynchronous<score_loss_of>>(env, exports, "scoreLoss");
  export_function<asynchronous<score_counts_of>>(env, exports, "scoreCounts");
  export_function<asynchronous<adamw_step_of>>(env, exports, "adamwStep");
}

}  // namespace dinov3_seg
