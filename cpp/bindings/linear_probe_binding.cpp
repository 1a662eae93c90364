// LinearProbe: a trained probe in use. Training is in heads_binding.cpp.
#include <ATen/ATen.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/dense_scores.h"
#include "core/device.h"
#include "core/error.h"
#include "core/linear_probe.h"
#include "ops/class_map.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

/// createProbe(options: ProbeOptions): ProbeHandle
Napi::Value create_probe(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  const auto tensor = [&](const char* name) { return tensor_field(options, name); };
  const ProbeParameters parameters{tensor("weight"), tensor("bias"), tensor("gamma"), tensor("beta")};
  auto probe = std::make_shared<LinearProbe>(parameters, tensor("runningMean"), tensor("runningVar"),
                                             parse_device(string_field(options, "device")));
  const int64_t bytes = probe->device().is_cpu() ? probe->size_bytes() : 0;
  return wrap(info.Env(), std::move(probe), bytes);
}

/// probeForward(probe, features): Promise<TensorHandle>
Napi::Value probe_forward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [probe = unwrap<LinearProbe>(info[0]), features = tensor_argument(info[1])]() -> ToJs {
                   const at::Tensor scores = probe->scores(features);
                   return [scores](Napi::Env env) { return wrap_tensor(env, scores); };
                 });
}

/// probeLoss(probe, features, labels): Promise<LossResult>
Napi::Value probe_loss(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [probe = unwrap<LinearProbe>(info[0]), features = tensor_argument(info[1]),
                  labels = tensor_argument(info[2])]() -> ToJs {
                   const at::Tensor scores = probe->scores(features).unsqueeze(1);  // B×1×K×h×w
                   const int64_t losses[] = {static_cast<int64_t>(ScoreLoss::cross_entropy)};
                   const at::Tensor sums =
                       std::get<0>(score_loss(scores, labels.to(probe->device()), {}, losses, false))
                           .sum(at::IntArrayRef{0, 1})
                           .cpu();
                   const auto sum = sums[0].item<double>(), pixels = sums[1].item<double>();
                   const LossResult result{pixels > 0 ? sum / pixels : 0.0, static_cast<int64_t>(pixels)};
                   return [result](Napi::Env env) { return loss_object(env, result); };
                 });
}

/// probeClassMap(probe, features, {width, height}): Promise<TensorHandle>
Napi::Value probe_class_map(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  const int64_t width = integer_field(options, "width"), height = integer_field(options, "height");
  if (width < 1 || height < 1)
    fail("INVALID_ARGUMENT", "width and height must be at least 1, got ", width, "×", height);
  return run_job(
      info, Lane::model,
      [probe = unwrap<LinearProbe>(info[0]), features = tensor_argument(info[1]), width, height]() -> ToJs {
        const at::Tensor map = class_map(DenseScores(probe->scores(features)), height, width);
        return [map](Napi::Env env) { return wrap_tensor(env, map); };
      });
}

}  // namespace

void export_probes(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<create_probe>>(env, exports, "createProbe");
  export_function<asynchronous<probe_forward>>(env, exports, "probeForward");
  export_function<asynchronous<probe_loss>>(env, exports, "probeLoss");
  export_function<asynchronous<probe_class_map>>(env, exports, "probeClassMap");
}

}  // namespace dinov3_seg
