// Networks: loading, decoding, export.
#include <ATen/ATen.h>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/zip_reader.h"
#include "models/staged_archive.h"

namespace dinov3_seg {

int64_t host_bytes(const NetworkModule& network) {
  return network.device().is_cpu() ? network.size_bytes() : 0;
}

Napi::Object network_info_object(Napi::Env env, const NetworkModule& network) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("path", network.path());
  result.Set("id", network.id());
  result.Set("device", network.device().str());
  result.Set("dtype", dtype_name(network.dtype()));
  result.Set("parameters", static_cast<double>(network.parameters()));
  return result;
}

namespace {

/// loadModel(path, {device, dtype, precision, cudaGraphs}): Promise<ModelHandle>
Napi::Value load_model(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  const ModelPlacement placement = placement_of(options);
  return run_job(info, Lane::model, [path = string_argument(info[0], "path"), placement]() -> ToJs {
    auto model = std::make_shared<SegmentationModel>(path, placement);
    return [model](Napi::Env env) { return wrap(env, model, host_bytes(*model)); };
  });
}

/// loadStaged(path, device): Promise<ModelHandle | null>
Napi::Value load_staged_model(const Napi::CallbackInfo& info) {
  const auto device = parse_device(string_argument(info[1], "device"));
  return run_job(info, Lane::model, [path = string_argument(info[0], "path"), device]() -> ToJs {
    const auto module = load_staged(path, device);
    std::shared_ptr<SegmentationModel> model;
    if (module)
      model =
          std::make_shared<SegmentationModel>(path, zip_content_id(path), *module, ModelPlacement{device});
    return [model](Napi::Env env) { return model ? wrap(env, model, host_bytes(*model)) : env.Null(); };
  });
}

/// modelId(path): Promise<string>
Napi::Value model_id(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [path = string_argument(info[0], "path")]() -> ToJs {
    return [id = zip_content_id(path)](Napi::Env env) -> Napi::Value { return Napi::String::New(env, id); };
  });
}

/// modelInfo(model): ModelInfo
Napi::Value model_info(const Napi::CallbackInfo& info) {
  const auto model = unwrap<SegmentationModel>(info[0]);
  Napi::Object result = network_info_object(info.Env(), *model);
  result.Set("width", static_cast<double>(model->width()));
  result.Set("hidden", static_cast<double>(model->hidden()));
  result.Set("classes", static_cast<double>(model->classes()));
  return result;
}

/// outputs(model, images, {decoded, features}): Promise<NetworkOutputs>
Napi::Value outputs_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[2], "options");
  const bool decoded = boolean_field(options, "decoded"), features = boolean_field(options, "features");
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), images = tensor_argument(info[1]), decoded,
                  features]() -> ToJs {
                   return [result = model->outputs(images, decoded, features)](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     if (result.queries.defined()) object.Set("queries", wrap_tensor(env, result.queries));
                     if (result.masks.defined()) object.Set("masks", wrap_tensor(env, result.masks));
                     if (result.features.defined()) object.Set("features", wrap_tensor(env, result.features));
                     return object;
                   };
                 });
}

/// forward(model, images): Promise<{queries, predLogits, predMasks}>
Napi::Value forward(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   const NetworkOutputs decoded = model->outputs(images, true, false);
                   return [decoded,
                           logits = model->class_logits(decoded.queries)](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("queries", wrap_tensor(env, decoded.queries));
                     object.Set("predLogits", wrap_tensor(env, logits));
                     object.Set("predMasks", wrap_tensor(env, decoded.masks));
                     return object;
                   };
                 });
}

/// taps(model, images): Promise<Record<string, TensorHandle>>
Napi::Value taps(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), images = tensor_argument(info[1])]() -> ToJs {
                   return [result = model->taps(images)](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     for (const auto& entry : result)
                       object.Set(entry.key(), wrap_tensor(env, entry.value()));
                     return object;
                   };
                 });
}

/// partTimes(model, images, {repeat}): Promise<Record<string, number>>   milliseconds
Napi::Value part_times_of(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), images = tensor_argument(info[1]),
                  repeat = integer_field(object_argument(info[2], "options"), "repeat")]() -> ToJs {
                   return [times = model->times(images, repeat)](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     for (const auto& [part, milliseconds] : times) object.Set(part, milliseconds);
                     return object;
                   };
                 });
}

/// storageBytes(networks): number
Napi::Value storage_bytes_of(const Napi::CallbackInfo& info) {
  std::vector<std::shared_ptr<NetworkModule>> held;
  std::vector<const NetworkModule*> networks;
  for (const Napi::Value& value : array_argument(info[0], "networks")) {
    if (is_handle<DetectionModel>(value))
      held.push_back(unwrap<DetectionModel>(value));
    else
      held.push_back(unwrap<SegmentationModel>(value));
    networks.push_back(held.back().get());
  }
  return Napi::Number::New(info.Env(), static_cast<double>(storage_bytes(networks)));
}

/// exportModel(model, head, path): Promise<void>
Napi::Value export_model(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [model = unwrap<SegmentationModel>(info[0]), head = linear_heads_argument(info[1]),
                  path = string_argument(info[2], "path")]() -> ToJs {
                   model->save_with_class_embed(head->weight()[0], head->bias()[0], path);
                   return [](Napi::Env env) { return env.Undefined(); };
                 });
}

}  // namespace

void export_models(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<load_model>>(env, exports, "loadModel");
  export_function<asynchronous<load_staged_model>>(env, exports, "loadStaged");
  export_function<asynchronous<model_id>>(env, exports, "modelId");
  export_function<synchronous<model_info>>(env, exports, "modelInfo");
  export_function<asynchronous<outputs_of>>(env, exports, "outputs");
  export_function<asynchronous<forward>>(env, exports, "forward");
  export_function<asynchronous<taps>>(env, exports, "taps");
  export_function<asynchronous<part_times_of>>(env, exports, "partTimes");
  export_function<synchronous<storage_bytes_of>>(env, exports, "storageBytes");
  export_function<asynchronous<export_model>>(env, exports, "exportModel");
}

}  // namespace dinov3_seg
