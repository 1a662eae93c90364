// Caches of network outputs: writing and reading their records, training and evaluating heads on them.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "cache/cached_training.h"
#include "cache/record_store.h"
#include "cache/shard_writer.h"
#include "core/device.h"
#include "core/device_copies.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/xxh64.h"

namespace dinov3_seg {
namespace {

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

/// The values of a typed array of one kind.
template <typename Array, typename Value>
std::vector<Value> typed_values(const Napi::Value& value, napi_typedarray_type type, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    fail("INVALID_ARGUMENT", what, " must be a typed array of its kind");
  const auto array = value.As<Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<int64_t> records_argument(const Napi::Value& value, const char* what) {
  const auto values = typed_values<Napi::Int32Array, int32_t>(value, napi_int32_array, what);
  return {values.begin(), values.end()};
}

at::ScalarType dtype_of(const std::string& name) {
  const DtypeNames* row = find_dtype(&DtypeNames::name, std::string_view(name));
  if (row == nullptr) fail("INVALID_ARGUMENT", "unknown dtype '", name, "' in a layout");
  return row->dtype;
}

/// [{name, shape, dtype}, …]
RecordLayout layout_argument(const Napi::Value& value) {
  std::vector<RecordPart> parts;
  for (const Napi::Value& item : array_argument(value, "layout")) {
    const Napi::Object part = object_argument(item, "a layout's part");
    parts.push_back({string_field(part, "name"), shape_argument(part.Get("shape")),
                     dtype_of(string_field(part, "dtype")), 0, 0});
  }
  return RecordLayout(std::move(parts));
}

/// recordBytes(layout): number
Napi::Value record_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(layout_argument(info[0]).size_bytes()));
}

/// createCacheWriter(layout, cacheId, lockPath): CacheWriterHandle
Napi::Value create_writer(const Napi::CallbackInfo& info) {
  return wrap(info.Env(),
              std::make_shared<ShardWriter>(layout_argument(info[0]), string_argument(info[1], "cacheId"),
                                            string_argument(info[2], "lockPath")),
              0);
}

/// openShard(writer, path, sizeBytes): Promise<void>
Napi::Value open_shard(const Napi::CallbackInfo& info) {
  if (!info[2].IsNumber()) fail("INVALID_ARGUMENT", "sizeBytes must be a number");
  return run_job(info, Lane::prepare,
                 [writer = unwrap<ShardWriter>(info[0]), path = string_argument(info[1], "path"),
                  size = info[2].As<Napi::Number>().Int64Value()]() -> ToJs {
                   writer->open(path, size);
                   return [](Napi::Env env) { return env.Undefined(); };
                 });
}

/// The parts of records among an object's fields.
std::map<std::string, at::Tensor> parts_argument(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "parts");
  std::map<std::string, at::Tensor> parts;
  for (const char* name : {"queries", "masks", "features", "labels"})
    if (!object.Get(name).IsUndefined()) parts[name] = tensor_field(object, name);
  return parts;
}

/// copyRecords(parts, dtypes): Promise<{parts, copies}>
Napi::Value copy_records(const Napi::CallbackInfo& info) {
  const Napi::Object dtypes = object_argument(info[1], "dtypes");
  const auto parts = parts_argument(info[0]);
  std::map<std::string, at::ScalarType> targets;
  for (const auto& [name, tensor] : parts) targets[name] = dtype_of(string_field(dtypes, name.c_str()));
  // In the model's lane: what the network computes next comes after the copies.
  return run_job(info, Lane::model, [parts, targets]() -> ToJs {
    std::vector<at::Tensor> values;
    for (const auto& [name, tensor] : parts) values.push_back(stored_values(name, targets.at(name), tensor));
    const auto copies = std::make_shared<HostCopies>(values);
    return [parts, copies](Napi::Env env) -> Napi::Value {
      Napi::Object copied = Napi::Object::New(env), result = Napi::Object::New(env);
      size_t i = 0;
      for (const auto& [name, tensor] : parts) copied.Set(name, wrap_tensor(env, copies->tensors()[i++]));
      result.Set("parts", copied);
      result.Set("copies", wrap(env, copies, 0));
      return result;
    };
  });
}

/// copiesDone(copies): Promise<void>
Napi::Value copies_done(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [copies = unwrap<HostCopies>(info[0])]() -> ToJs {
    copies->wait();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

/// appendRecords(writer, parts, classes): Promise<WrittenRecord[]>
Napi::Value append_records(const Napi::CallbackInfo& info) {
  if (!info[2].IsNumber()) fail("INVALID_ARGUMENT", "classes must be a number");
  const auto parts = parts_argument(info[1]);
  return run_job(info, Lane::prepare,
                 [writer = unwrap<ShardWriter>(info[0]), parts,
                  classes = info[2].As<Napi::Number>().Int64Value()]() -> ToJs {
                   return [written = writer->append(parts, classes)](Napi::Env env) -> Napi::Value {
                     Napi::Array result = Napi::Array::New(env, written.size());
                     for (size_t i = 0; i < written.size(); ++i) {
                       Napi::Object record = Napi::Object::New(env);
                       record.Set("offset", static_cast<double>(written[i].offset));
                       record.Set("checksum", hex(written[i].checksum));
                       record.Set("classPixels", shape_array(env, written[i].class_pixels));
                       result.Set(static_cast<uint32_t>(i), record);
                     }
                     return result;
                   };
                 });
}

/// syncShard(writer): Promise<void>
Napi::Value sync_shard(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [writer = unwrap<ShardWriter>(info[0])]() -> ToJs {
    writer->sync();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

/// contentDigest(path): Promise<string>
Napi::Value content_digest(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [path = string_argument(info[0], "path")]() -> ToJs {
    const auto file = MappedFile::open(path);
    return [digest = hex(xxh64(file->bytes().data(), file->size()))](Napi::Env env) -> Napi::Value {
      return Napi::String::New(env, digest);
    };
  });
}

/// createRecordStore(options: RecordStoreOptions): RecordStoreHandle
Napi::Value create_store(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[0], "options");
  std::vector<std::string> files;
  for (const Napi::Value& file : array_argument(options.Get("files"), "files"))
    files.push_back(string_argument(file, "a file"));
  const auto indices = records_argument(options.Get("file"), "file");
  const auto offsets =
      typed_values<Napi::Float64Array, double>(options.Get("offset"), napi_float64_array, "offset");
  const auto checksums =
      typed_values<Napi::BigUint64Array, uint64_t>(options.Get("checksum"), napi_biguint64_array, "checksum");
  if (offsets.size() != indices.size() || checksums.size() != indices.size())
    fail("INVALID_ARGUMENT", "file, offset and checksum must be of one length");
  std::vector<RecordPlace> places;
  for (size_t i = 0; i < indices.size(); ++i)
    places.push_back({indices[i], static_cast<int64_t>(offsets[i]), checksums[i]});
  const auto store =
      std::make_shared<RecordStore>(layout_argument(options.Get("layout")), string_field(options, "cacheId"),
                                    files, std::move(places), parse_device(string_field(options, "device")));
  return wrap(info.Env(), store, 0);
}

/// verifyRecords(store): Promise<{record, reason}[]>
Napi::Value verify_records(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::prepare, [store = unwrap<RecordStore>(info[0])]() -> ToJs {
    return [damaged = store->verify()](Napi::Env env) -> Napi::Value {
      Napi::Array result = Napi::Array::New(env, damaged.size());
      for (size_t i = 0; i < damaged.size(); ++i) {
        Napi::Object entry = Napi::Object::New(env);
        entry.Set("record", static_cast<double>(damaged[i].record));
        entry.Set("reason", damaged[i].reason);
        result.Set(static_cast<uint32_t>(i), entry);
      }
      return result;
    };
  });
}

/// loadRecords(store, budget?: {deviceBytes, pinnedBytes}): Promise<{onDevice, inPinnedMemory}>
Napi::Value load_records(const Napi::CallbackInfo& info) {
  const auto store = unwrap<RecordStore>(info[0]);
  ResidentBudget budget{};
  const bool given = info[1].IsObject() && !info[1].IsExternal();
  if (given) {
    const Napi::Object object = info[1].As<Napi::Object>();
    budget = {integer_field(object, "deviceBytes"), integer_field(object, "pinnedBytes")};
  }
  return run_job(info, Lane::model, [store, budget, given]() -> ToJs {
    store->load(given ? budget : free_budget(store->device()));
    return [store](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("onDevice", static_cast<double>(store->on_device()));
      result.Set("inPinnedMemory", static_cast<double>(store->in_pinned_memory()));
      return result;
    };
  });
}

/// Batches of `size` records, the last one of what is left.
std::vector<std::vector<int64_t>> batches_of(const std::vector<int64_t>& records, int64_t size) {
  if (size < 1) fail("INVALID_ARGUMENT", "batchSize must be at least 1, got ", size);
  std::vector<std::vector<int64_t>> batches;
  const auto total = static_cast<int64_t>(records.size());
  for (int64_t first = 0; first < total; first += size)
    batches.emplace_back(records.begin() + first, records.begin() + std::min(first + size, total));
  return batches;
}

TrainingPlan plan_argument(const Napi::Value& value, int64_t heads) {
  const Napi::Object object = object_argument(value, "plan");
  TrainingPlan plan;
  plan.batches =
      batches_of(records_argument(object.Get("records"), "records"), integer_field(object, "batchSize"));
  plan.accumulate = integer_field(object, "accumulate");
  if (!object.Get("folds").IsUndefined()) plan.folds = records_argument(object.Get("folds"), "folds");
  const auto rates = typed_values<Napi::Float64Array, double>(object.Get("learningRates"), napi_float64_array,
                                                              "learningRates");
  if (rates.size() % static_cast<size_t>(heads) != 0)
    fail("INVALID_ARGUMENT", "learningRates must hold one a step and head");
  plan.learning_rates = at::tensor(rates, at::kDouble).view({-1, heads});
  for (const Napi::Value& item : array_argument(object.Get("options"), "options"))
    plan.options.push_back(step_options(item));
  for (const Napi::Value& item : array_argument(object.Get("steps"), "steps"))
    plan.steps.push_back(item.ToNumber().Int64Value());
  return plan;
}

/// trainCached(heads, store, plan, seconds): Promise<CachedTrainingResult>
Napi::Value train_on_cache(const Napi::CallbackInfo& info) {
  const auto heads = unwrap<TrainedHeads>(info[0]);
  if (!info[3].IsNumber()) fail("INVALID_ARGUMENT", "seconds must be a number");
  return run_job(info, Lane::model,
                 [heads, store = unwrap<RecordStore>(info[1]), plan = plan_argument(info[2], heads->heads()),
                  seconds = info[3].As<Napi::Number>().DoubleValue()]() -> ToJs {
                   say_doing("Training on cached outputs");
                   return
                       [result = train_cached(*heads, store, plan, seconds)](Napi::Env env) -> Napi::Value {
                         Napi::Object object = Napi::Object::New(env);
                         object.Set("batches", static_cast<double>(result.batches));
                         object.Set("losses", typed_array(env, result.losses));
                         object.Set("norms", typed_array(env, result.norms));
                         object.Set("steps", shape_array(env, result.steps));
                         return object;
                       };
                 });
}

/// evaluateCached(heads, store, records): Promise<HeadsEvaluation>
Napi::Value evaluate_on_cache(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model,
                 [heads = unwrap<TrainedHeads>(info[0]), store = unwrap<RecordStore>(info[1]),
                  records = records_argument(info[2], "records")]() -> ToJs {
                   return [counts = evaluate_cached(*heads, store, records)](Napi::Env env) -> Napi::Value {
                     Napi::Object result = Napi::Object::New(env);
                     result.Set("losses", typed_array(env, counts.losses));
                     result.Set("confusion", typed_array(env, counts.confusion));
                     return result;
                   };
                 });
}

}  // namespace

void export_cache(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<record_bytes>>(env, exports, "recordBytes");
  export_function<synchronous<create_writer>>(env, exports, "createCacheWriter");
  export_function<asynchronous<open_shard>>(env, exports, "openShard");
  export_function<asynchronous<copy_records>>(env, exports, "copyRecords");
  export_function<asynchronous<copies_done>>(env, exports, "copiesDone");
  export_function<asynchronous<append_records>>(env, exports, "appendRecords");
  export_function<asynchronous<sync_shard>>(env, exports, "syncShard");
  export_function<asynchronous<content_digest>>(env, exports, "contentDigest");
  export_function<synchronous<create_store>>(env, exports, "createRecordStore");
  export_function<asynchronous<verify_records>>(env, exports, "verifyRecords");
  export_function<asynchronous<load_records>>(env, exports, "loadRecords");
  export_function<asynchronous<train_on_cache>>(env, exports, "trainCached");
  export_function<asynchronous<evaluate_on_cache>>(env, exports, "evaluateCached");
}

}  // namespace dinov3_seg
