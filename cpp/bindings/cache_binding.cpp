// Caches of network outputs: writing and reading their records, training and evaluating heads on them.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>

#include "bindings/heads.h"
#include "cache/cached_training.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/mapped_file.h"
#include "core/xxh64.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<RecordPart> = std::tuple{
    field("name", &RecordPart::name), field("shape", &RecordPart::shape), field("dtype", &RecordPart::dtype)};
template <>
struct Js<RecordLayout> {
  static RecordLayout from(const Napi::Value& value, const char* what) {
    return RecordLayout(from_js<std::vector<RecordPart>>(value, what));
  }
};

/// A checksum as 16 hexadecimal digits.
struct Digits {
  uint64_t checksum;
};
template <>
struct Js<Digits> {
  static Napi::Value to(Napi::Env env, const Digits& digits) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digits.checksum));
    return to_js(env, static_cast<const char*>(text));
  }
};

template <>
inline constexpr auto fields<WrittenRecord> =
    std::tuple{field("offset", &WrittenRecord::offset),
               field("checksum", [](const WrittenRecord& record) { return Digits{record.checksum}; }),
               field("classPixels", &WrittenRecord::class_pixels)};

template <>
inline constexpr auto fields<RecordBatch> = std::tuple{
    field("parts", &RecordBatch::parts), field<TypedArray<uint32_t>>("images", &RecordBatch::images)};

template <>
inline constexpr auto fields<DamagedRecord> =
    std::tuple{field("record", &DamagedRecord::record), field("reason", &DamagedRecord::reason)};

template <>
inline constexpr auto fields<ResidentBudget> = std::tuple{
    field("deviceBytes", &ResidentBudget::device_bytes), field("pinnedBytes", &ResidentBudget::pinned_bytes)};

struct StoreOptions {
  std::vector<RecordPart> layout;
  std::string cache_id;
  std::vector<std::string> files;
  TypedArray<int32_t> file;
  TypedArray<double> offset;
  TypedArray<uint64_t> checksum;
  c10::Device device = c10::kCPU;
};
template <>
inline constexpr auto fields<StoreOptions> =
    std::tuple{field("layout", &StoreOptions::layout), field("cacheId", &StoreOptions::cache_id),
               field("files", &StoreOptions::files),   field("file", &StoreOptions::file),
               field("offset", &StoreOptions::offset), field("checksum", &StoreOptions::checksum),
               field("device", &StoreOptions::device)};
inline void check_fields(const StoreOptions& options) {
  if (options.offset.size() != options.file.size() || options.checksum.size() != options.file.size())
    fail("INVALID_ARGUMENT", "file, offset and checksum must have the same length");
}

struct EpochPlan : TrainingPlan {
  std::vector<int64_t> records;
  int64_t batch_size;
  TypedArray<double> rates;
};
template <>
inline constexpr auto fields<EpochPlan> =
    std::tuple{field<TypedArray<int32_t>>("records", &EpochPlan::records),
               field("batchSize", &EpochPlan::batch_size),
               field("accumulate", &EpochPlan::accumulate),
               optional_field<TypedArray<int32_t>>("folds", &EpochPlan::folds),
               field("learningRates", &EpochPlan::rates),
               field("options", &EpochPlan::options),
               field("steps", &EpochPlan::steps)};
inline void check_fields(const EpochPlan& plan) {
  if (plan.batch_size < 1) fail("INVALID_ARGUMENT", "batchSize must be at least 1, got ", plan.batch_size);
}

template <>
inline constexpr auto fields<TrainingResult> =
    std::tuple{field("batches", &TrainingResult::batches), field<Values>("losses", &TrainingResult::losses),
               field<Values>("norms", &TrainingResult::norms), field("steps", &TrainingResult::steps)};

namespace {

using Parts = std::map<std::string, at::Tensor>;
using Store = std::shared_ptr<RecordStore>;

auto create_writer(const RecordLayout& layout, const std::string& cache_id, const std::string& lock_path) {
  return std::make_shared<ShardWriter>(layout, cache_id, lock_path);
}

auto copy_records(const Parts& parts, const std::map<std::string, at::ScalarType>& dtypes) {
  std::vector<std::string> names;
  std::vector<at::Tensor> values;
  for (const auto& [name, tensor] : parts) {
    const auto dtype = dtypes.find(name);
    if (dtype == dtypes.end()) fail("INVALID_ARGUMENT", "dtypes has no dtype for ", name);
    for (NamedTensor& each : stored_parts(name, dtype->second, tensor)) {
      names.push_back(std::move(each.name));
      values.push_back(std::move(each.tensor));
    }
  }
  const auto copies = std::make_shared<HostCopies>(values);
  std::vector<NamedTensor> copied;
  for (std::string& name : names) copied.push_back({std::move(name), copies->tensors()[copied.size()]});
  return object_of(Item{"parts", std::move(copied)}, Item{"copies", copies});
}

Digits content_digest(const std::string& path) {
  const auto file = MappedFile::open(path);
  return {xxh64(file->bytes().data(), file->size())};
}

Store create_store(const StoreOptions& options) {
  std::vector<RecordPlace> places;
  for (size_t i = 0; i < options.file.size(); ++i) {
    const double offset = options.offset[i];
    // Out of the range of the whole numbers that a double holds, the cast would be undefined.
    if (!(offset >= 0 && offset <= 0x1p53))
      fail("CACHE", "invalid place of a record: file ", options.file[i], " at ", offset);
    places.push_back({options.file[i], static_cast<int64_t>(offset), options.checksum[i]});
  }
  return std::make_shared<RecordStore>(RecordLayout(options.layout), options.cache_id, options.files,
                                       std::move(places), options.device);
}

auto load_records(RecordStore& store, const std::optional<ResidentBudget>& budget) {
  store.load(budget ? *budget : free_budget(store.device()));
  return object_of(Item{"onDevice", store.on_device()}, Item{"inPinnedMemory", store.in_pinned_memory()});
}

/// Batches of `size` records; the last one may be smaller.
std::vector<std::vector<int64_t>> batches_of(const std::vector<int64_t>& records, int64_t size) {
  std::vector<std::vector<int64_t>> batches;
  const auto total = static_cast<int64_t>(records.size());
  for (int64_t first = 0; first < total; first += size)
    batches.emplace_back(records.begin() + first, records.begin() + std::min(first + size, total));
  return batches;
}

TrainingResult train_on_cache(TrainedHeads& heads, const Store& store, EpochPlan plan, double seconds) {
  if (plan.rates.size() % static_cast<size_t>(heads.heads()) != 0)
    fail("INVALID_ARGUMENT", "learningRates must hold one number per step and head");
  plan.batches = batches_of(plan.records, plan.batch_size);
  plan.learning_rates = at::tensor(at::ArrayRef<double>(plan.rates), at::kDouble).view({-1, heads.heads()});
  say_doing("Training on cached outputs");
  return train_cached(heads, store, plan, seconds);
}

HeadCounts evaluate_on_cache(TrainedHeads& heads, const Store& store, const TypedArray<int32_t>& records) {
  return evaluate_cached(heads, store, {records.begin(), records.end()});
}

const Methods cache_methods{
    call<&RecordLayout::size_bytes>("recordBytes", "layout"),
    call<&create_writer>("createCacheWriter", "layout", "cacheId", "lockPath"),
    job<Lane::write, &ShardWriter::open>("openShard", "writer", "path", "sizeBytes"),
    // In the model's lane, so that the network's next pass comes after the copies.
    job<Lane::model, &copy_records>("copyRecords", "parts", "dtypes"),
    job<Lane::copies, &HostCopies::wait>("copiesDone", "copies"),
    job<Lane::write, &ShardWriter::append>("appendRecords", "writer", "batches", "classes"),
    job<Lane::write, &append_text>("appendText", "path", "text"),
    job<Lane::sync, &ShardWriter::sync>("syncShard", "writer"),
    job<Lane::prepare, &content_digest>("contentDigest", "path"),
    call<&create_store>("createRecordStore", "options"),
    job<Lane::prepare, &RecordStore::verify>("verifyRecords", "store"),
    job<Lane::model, &load_records>("loadRecords", "store", "budget"),
    job<Lane::model, &train_on_cache>("trainCached", "heads", "store", "plan", "seconds"),
    job<Lane::model, &evaluate_on_cache>("evaluateCached", "heads", "store", "records"),
};

}  // namespace
}  // namespace dinov3_seg
