// Networks with random weights.
#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "core/sha256.h"
#include "models/builder.h"
#include "models/init.h"
#include "models/presets.h"
#include "models/shared_backbone.h"

namespace dinov3_seg {
namespace {

/// {architecture, seed, dtype, device}
struct InitSettings {
  std::string architecture;
  at::ScalarType dtype;
  Randomness random;

  std::string name() const {
    return architecture + " with random weights of seed " + std::to_string(random.seed);
  }
};

/// Of either kind. Throws INVALID_ARGUMENT with the segmentors' names.
NetworkShape shape_named(const std::string& architecture) {
  return is_detector_preset(architecture) ? network_shape(detector_preset(architecture))
                                          : network_shape(preset(architecture));
}

/// Its plan.
Napi::Object plan_named(Napi::Env env, const std::string& architecture) {
  if (is_detector_preset(architecture)) return detector_plan_object(env, detector_preset(architecture));
  const SegmentorDims dims = preset(architecture);
  return plan_object(env, dims, dims.classes);
}

uint64_t seed_field(const Napi::Object& options) {
  const int64_t seed = integer_field(options, "seed");
  if (seed < 0) fail("INVALID_ARGUMENT", "seed must be a whole number from 0, got ", seed);
  return static_cast<uint64_t>(seed);
}

InitSettings init_settings(const Napi::Value& value) {
  const Napi::Object options = object_argument(value, "options");
  return {string_field(options, "architecture"),
          network_dtype_field(options),
          {seed_field(options), parse_device(string_field(options, "device"))}};
}

/// What tells random networks apart; `backbone`: the network that the backbone is of, if it was not drawn.
std::string random_id(const InitSettings& settings, const std::string& backbone = "") {
  const std::string text = "random weights\n" + settings.architecture + "\n" +
                           std::to_string(settings.random.seed) + "\n" + dtype_name(settings.dtype) +
                           (backbone.empty() ? "" : "\n" + backbone);
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

/// initModel(options with precision and cudaGraphs): Promise<ModelHandle>
Napi::Value init_model(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [settings = init_settings(info[0]),
                  placement = placement_of(object_argument(info[0], "options"))]() -> ToJs {
                   const NetworkShape shape = network_shape(preset(settings.architecture));
                   auto model = std::make_shared<SegmentationModel>(
                       settings.name(), random_id(settings),
                       init_network(shape, settings.dtype, settings.random), placement);
                   return [model](Napi::Env env) { return wrap(env, model, host_bytes(*model)); };
                 });
}

std::shared_ptr<DetectionModel> make_detector(const InitSettings& settings, const ModelPlacement& placement,
                                              const SegmentationModel* segmentor) {
  const NetworkShape shape = network_shape(detector_preset(settings.architecture));
  std::string name = settings.name();
  if (!segmentor)
    return std::make_shared<DetectionModel>(
        name, random_id(settings), init_network(shape, settings.dtype, settings.random), placement, 0);
  const auto backbone = backbone_of(*segmentor, shape.backbone, settings.dtype, settings.random.device, name);
  uint64_t bytes = 0;
  for (const NamedTensor& each : backbone) bytes += each.tensor.nbytes();
  name += " and the backbone of " + segmentor->path();
  return std::make_shared<DetectionModel>(name, random_id(settings, segmentor->id()),
                                          init_network(shape, settings.dtype, settings.random, backbone),
                                          placement, bytes);
}

/// initDetector(options with precision, cudaGraphs and shareWith): Promise<DetectorHandle>
Napi::Value init_detector(const Napi::CallbackInfo& info) {
  return run_job(
      info, Lane::model,
      [settings = init_settings(info[0]), segmentor = share_with_field(object_argument(info[0], "options")),
       placement = placement_of(object_argument(info[0], "options"))]() -> ToJs {
        const auto model = make_detector(settings, placement, segmentor.get());
        return [model](Napi::Env env) { return wrap(env, model, host_bytes(*model)); };
      });
}

/// writeRandomModel(options, path): Promise<SegmentorPlan | DetectorPlan>
Napi::Value write_random_model(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare,
                 [settings = init_settings(info[0]), path = string_argument(info[1], "path")]() -> ToJs {
                   write_random_network(shape_named(settings.architecture), settings.dtype, settings.random,
                                        path);
                   return [name = settings.architecture](Napi::Env env) { return plan_named(env, name); };
                 });
}

/// planArchitecture(name, classes): SegmentorPlan
Napi::Value plan_architecture(const Napi::CallbackInfo& info) {
  if (!info[1].IsNumber()) fail("INVALID_ARGUMENT", "classes must be a number");
  return plan_object(info.Env(), preset(string_argument(info[0], "name")),
                     info[1].As<Napi::Number>().Int64Value());
}

/// planDetectorArchitecture(name): DetectorPlan
Napi::Value plan_detector_architecture(const Napi::CallbackInfo& info) {
  return detector_plan_object(info.Env(), detector_preset(string_argument(info[0], "name")));
}

/// randomTensor({architecture, seed, dtype, device, operators}, key): Promise<TensorHandle>
Napi::Value random_values_of(const Napi::CallbackInfo& info) {
  const auto path = boolean_field(object_argument(info[0], "options"), "operators") ? RandomPath::operators
                                                                                    : RandomPath::by_device;
  return run_job(info, Lane::prepare,
                 [settings = init_settings(info[0]), name = string_argument(info[1], "key"), path]() -> ToJs {
                   const NetworkShape shape = shape_named(settings.architecture);
                   for (const auto& keys : {shape.backbone, shape.head}) {
                     for (const KeyShape& key : keys) {
                       if (key.name != name) continue;
                       const at::Tensor drawn = draw_tensor(key, settings.random, path);
                       return [cast = apply_dtype(key, drawn, settings.dtype)](Napi::Env env) {
                         return wrap_tensor(env, cast);
                       };
                     }
                   }
                   fail("INVALID_ARGUMENT", settings.architecture, " has no key ", name);
                 });
}

/// initCheckpoint(options): Promise<void>
Napi::Value init_files(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  return run_job(
      info, Lane::prepare,
      [architecture = string_field(options, "architecture"), seed = seed_field(options),
       backbone = string_field(options, "backbone"), head = string_field(options, "head")]() -> ToJs {
        const auto checkpoint = init_checkpoint(shape_named(architecture), seed);
        const std::map<std::string, std::string> metadata{{"origin", "random weights, synthetic"},
                                                          {"architecture", architecture},
                                                          {"seed", std::to_string(seed)}};
        write_safetensors(backbone, checkpoint.backbone, metadata);
        write_safetensors(head, checkpoint.head, metadata);
        return [](Napi::Env env) { return env.Undefined(); };
      });
}

}  // namespace

void export_init(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<init_model>>(env, exports, "initModel");
  export_function<asynchronous<init_detector>>(env, exports, "initDetector");
  export_function<asynchronous<write_random_model>>(env, exports, "writeRandomModel");
  export_function<synchronous<plan_architecture>>(env, exports, "planArchitecture");
  export_function<synchronous<plan_detector_architecture>>(env, exports, "planDetectorArchitecture");
  export_function<asynchronous<random_values_of>>(env, exports, "randomTensor");
  export_function<asynchronous<init_files>>(env, exports, "initCheckpoint");
}

}  // namespace dinov3_seg
