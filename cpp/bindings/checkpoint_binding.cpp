// Checkpoint files: inspection, tensors in and out, plans, conversion.
#include <ATen/ATen.h>

#include <algorithm>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/checkpoint.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "models/convert.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

Napi::Object metadata_object(Napi::Env env, const std::map<std::string, std::string>& metadata) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [key, value] : metadata) object.Set(key, value);
  return object;
}

/// inspect(path): Promise<Inspection>
Napi::Value inspect(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [path = string_argument(info[0], "path")]() -> ToJs {
    return [summary = inspect_checkpoint(path)](Napi::Env env) -> Napi::Value {
      Napi::Array tensors = Napi::Array::New(env, summary.rows.size());
      for (size_t i = 0; i < summary.rows.size(); ++i) {
        const CheckpointRow& row = summary.rows[i];
        Napi::Object entry = Napi::Object::New(env);
        entry.Set("name", row.key);
        entry.Set("shape", shape_array(env, row.shape));
        entry.Set("dtype", row.dtype);
        entry.Set("sizeBytes", static_cast<double>(row.bytes));
        tensors.Set(static_cast<uint32_t>(i), entry);
      }
      Napi::Object result = Napi::Object::New(env);
      result.Set("format", summary.format);
      result.Set("tensors", tensors);
      result.Set("parameters", static_cast<double>(summary.parameters));
      result.Set("totalBytes", static_cast<double>(summary.total_bytes));
      result.Set("metadata", metadata_object(env, summary.metadata));
      return result;
    };
  });
}

std::vector<NamedTensor> select_tensors(const Checkpoint& checkpoint, const std::vector<std::string>& names,
                                        const std::string& path) {
  std::vector<NamedTensor> selected;
  for (const std::string& name : names) {
    const auto found = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                    [&](const NamedTensor& entry) { return entry.name == name; });
    if (found == checkpoint.tensors.end()) fail("CHECKPOINT_KEYS", path, " has no tensor '", name, "'");
    selected.push_back(*found);
  }
  return selected;
}

/// readTensors(path, names?): Promise<{tensors, metadata}>
Napi::Value read_tensors(const Napi::CallbackInfo& info) {
  const bool all = info[1].IsUndefined();
  std::vector<std::string> names;
  if (!all) {
    if (!info[1].IsArray()) fail("INVALID_ARGUMENT", "names must be an array of strings");
    const Napi::Array array = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i)
      names.push_back(string_argument(array.Get(i), "a tensor's name"));
  }
  return run_job(info, Lane::prepare, [path = string_argument(info[0], "path"), all, names]() -> ToJs {
    Checkpoint checkpoint = read_checkpoint(path);
    const auto chosen = all ? std::move(checkpoint.tensors) : select_tensors(checkpoint, names, path);
    return [chosen, metadata = checkpoint.metadata](Napi::Env env) -> Napi::Value {
      Napi::Object tensors = Napi::Object::New(env);
      for (const NamedTensor& entry : chosen) tensors.Set(entry.name, wrap_tensor(env, entry.tensor));
      Napi::Object result = Napi::Object::New(env);
      result.Set("tensors", tensors);
      result.Set("metadata", metadata_object(env, metadata));
      return result;
    };
  });
}

/// writeSafetensors(path, tensors, metadata): Promise<void>. After all jobs asked for before on models and
/// heads.
Napi::Value write_tensors(const Napi::CallbackInfo& info) {
  const Napi::Object object = object_argument(info[1], "tensors");
  const Napi::Array names = object.GetPropertyNames();
  std::vector<NamedTensor> tensors;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    tensors.push_back({name, tensor_field(object, name.c_str())});
  }
  auto metadata = string_map(object_argument(info[2], "metadata"));
  return run_job(info, Lane::model, [path = string_argument(info[0], "path"), tensors, metadata]() -> ToJs {
    write_safetensors(path, tensors, metadata);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

}  // namespace

std::vector<KeyShape> shape_table(const Napi::Value& value, const char* what) {
  const Napi::Object table = object_argument(value, what);
  const Napi::Array names = table.GetPropertyNames();
  std::vector<KeyShape> keys;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Object entry = object_argument(table.Get(name), name.c_str());
    const std::string dtype = string_field(entry, "dtype");
    const DtypeNames* row = find_dtype(&DtypeNames::name, std::string_view(dtype));
    if (!row) fail("INVALID_ARGUMENT", what, " key ", name, " has the unknown dtype ", dtype);
    KeyShape key;
    key.name = name;
    key.shape = shape_argument(entry.Get("shape"));
    key.dtype = row->dtype;
    keys.push_back(std::move(key));
  }
  return keys;
}

ConvertOptions convert_options(const Napi::Value& value) {
  const Napi::Object options = object_argument(value, "options");
  const at::ScalarType dtype = network_dtype_field(options);
  return {{string_field(options, "backbone"), string_field(options, "head"), string_field(options, "out")},
          dtype};
}

Napi::Object backbone_dims_object(Napi::Env env, const BackboneDims& dims) {
  Napi::Object numbers = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) { numbers.Set(name, static_cast<double>(value)); };
  set("embedDim", dims.embed_dim);
  set("depth", dims.depth);
  set("heads", dims.embed_dim / (4 * dims.rope_periods));
  set("feedForwardDim", dims.feed_forward_dim);
  numbers.Set("feedForward", dims.feed_forward == FeedForward::mlp ? "mlp" : "swiglu");
  numbers.Set("qkvBias", dims.qkv_bias);
  set("storageTokens", dims.storage_tokens);
  return numbers;
}

Napi::Object plan_object(Napi::Env env, const SegmentorDims& dims, int64_t classes) {
  const ParameterCounts counts = count_parameters(dims, classes);
  Napi::Object numbers = backbone_dims_object(env, dims);
  const auto set = [&](const char* name, int64_t value) { numbers.Set(name, static_cast<double>(value)); };
  set("hiddenDim", dims.hidden_dim);
  set("queries", dims.queries);
  set("encoderLayers", dims.encoder_layers);
  set("decoderLayers", dims.decoder_layers);
  set("classes", dims.classes);
  Napi::Object plan = Napi::Object::New(env);
  plan.Set("dims", numbers);
  plan.Set("backboneKeys", static_cast<double>(backbone_keys(dims).size()));
  plan.Set("headKeys", static_cast<double>(head_keys(dims).size()));
  plan.Set("frozenParameters", static_cast<double>(counts.frozen()));
  plan.Set("trainedParameters", static_cast<double>(counts.trained));
  return plan;
}

namespace {

/// planSegmentor(backbone, head, classes): SegmentorPlan
Napi::Value plan_segmentor(const Napi::CallbackInfo& info) {
  const auto backbone = shape_table(info[0], "backbone"), head = shape_table(info[1], "head");
  if (!info[2].IsNumber()) fail("INVALID_ARGUMENT", "classes must be a number");
  return plan_object(info.Env(), checked_dims(backbone, head), info[2].As<Napi::Number>().Int64Value());
}

/// convertSegmentor(options): Promise<SegmentorPlan>
Napi::Value convert(const Napi::CallbackInfo& info) {
  const auto [paths, dtype] = convert_options(info[0]);
  return run_job(info, Lane::prepare, [paths = paths, dtype = dtype]() -> ToJs {
    const SegmentorDims dims = convert_segmentor(paths, dtype);
    return [dims](Napi::Env env) { return plan_object(env, dims, dims.classes); };
  });
}

}  // namespace

void export_checkpoints(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<inspect>>(env, exports, "inspect");
  export_function<asynchronous<read_tensors>>(env, exports, "readTensors");
  export_function<asynchronous<write_tensors>>(env, exports, "writeSafetensors");
  export_function<synchronous<plan_segmentor>>(env, exports, "planSegmentor");
  export_function<asynchronous<convert>>(env, exports, "convertSegmentor");
}

}  // namespace dinov3_seg
