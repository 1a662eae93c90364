#include "cache/record_store.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "cache/quantised_features.h"
#include "core/available_memory.h"
#include "core/device.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/job_inputs.h"
#include "core/xxh64.h"

namespace dinov3_seg {
namespace {

std::vector<int64_t> with_batch(int64_t batch, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes{batch};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

at::Tensor allocate(const RecordPart& part, int64_t batch, bool pinned) {
  return at::empty(with_batch(batch, part.shape),
                   at::TensorOptions().dtype(part.dtype).pinned_memory(pinned));
}

}  // namespace

ResidentBudget free_budget(c10::Device device) {
  constexpr int64_t reserve = int64_t{1} << 30;
  if (device.is_cpu()) return {0, 0};
  ResidentBudget budget{0, 0};
  // What a network left behind is kept by libtorch's allocator: free for us, in use as the driver sees it.
  release_cached_memory();
  for (const DeviceDescription& found : list_devices()) {
    if (found.name == "cpu") budget.pinned_bytes = found.free_bytes / 4;
    if (found.name == device.str()) budget.device_bytes = found.free_bytes - found.total_bytes / 8 - reserve;
  }
  budget.device_bytes = std::max<int64_t>(budget.device_bytes, 0);
  return budget;
}

RecordStore::RecordStore(RecordLayout layout, const std::string& cache_id,
                         const std::vector<std::string>& files, std::vector<RecordPlace> places,
                         c10::Device device)
    : layout_(std::move(layout)),
      header_(shard_header(cache_id)),
      paths_(files),
      places_(std::move(places)),
      device_(device) {
  for (const RecordPlace& place : places_)
    if (place.file < 0 || place.file >= static_cast<int64_t>(paths_.size()) || place.offset < 0 ||
        place.offset % 64 != 0)
      fail("CACHE", "invalid place of a record: file ", place.file, " at ", place.offset);
  // Whoever writes to the cache may cut off what lies behind the records.
  std::vector<uint64_t> ends(paths_.size());
  for (const RecordPlace& place : places_) {
    uint64_t& end = ends[static_cast<size_t>(place.file)];
    end = std::max(end, static_cast<uint64_t>(place.offset) + static_cast<uint64_t>(layout_.size_bytes()));
  }
  for (size_t i = 0; i < paths_.size(); ++i) {
    try {
      files_.push_back(MappedFile::open(paths_[i], ends[i]));
    } catch (const Error& error) {
      if (std::strcmp(error.code(), "FILE_NOT_FOUND") != 0) throw;
      files_.push_back(nullptr);
    }
  }
}

/// Without a sum: an offset may be any number.
bool RecordStore::holds(const MappedFile& file, const RecordPlace& place) const {
  const auto record = static_cast<uint64_t>(layout_.size_bytes());
  return record <= file.size() && static_cast<uint64_t>(place.offset) <= file.size() - record;
}

std::string RecordStore::damage(int64_t record) const {
  const RecordPlace& place = places_[static_cast<size_t>(record)];
  const auto& file = files_[static_cast<size_t>(place.file)];
  const std::string& path = paths_[static_cast<size_t>(place.file)];
  if (!file) return path + " is missing";
  const auto bytes = file->bytes();
  if (bytes.size() < static_cast<size_t>(shard_header_bytes) ||
      std::memcmp(bytes.data(), header_.data(), header_.size()) != 0)
    return path + " does not have the header of this cache";
  if (!holds(*file, place))
    return path + " ends at byte " + std::to_string(bytes.size()) + ", before the end of the record";
  if (xxh64(bytes.data() + place.offset, static_cast<size_t>(layout_.size_bytes())) != place.checksum)
    return path + ", byte " + std::to_string(place.offset) + ": the checksum does not match";
  return {};
}

std::vector<DamagedRecord> RecordStore::verify() const {
  constexpr int64_t block = 64;  // records between two looks at the job's flag
  std::vector<std::string> reasons(places_.size());
  for (int64_t first = 0; first < size(); first += block) {
    check_cancelled();
    const int64_t last = std::min(first + block, size());
    at::parallel_for(first, last, 1, [&](int64_t from, int64_t to) {
      for (int64_t record = from; record < to; ++record)
        reasons[static_cast<size_t>(record)] = damage(record);
    });
    report_progress(static_cast<uint64_t>(last), static_cast<uint64_t>(size()));
  }
  std::vector<DamagedRecord> damaged;
  for (int64_t record = 0; record < size(); ++record)
    if (!reasons[static_cast<size_t>(record)].empty())
      damaged.push_back({record, std::move(reasons[static_cast<size_t>(record)])});
  return damaged;
}

const uint8_t* RecordStore::record_bytes(int64_t record) const {
  const RecordPlace& place = places_[static_cast<size_t>(record)];
  const auto& file = files_[static_cast<size_t>(place.file)];
  if (!file || !holds(*file, place)) fail("CACHE", "record ", record, " is damaged: ", damage(record));
  return file->bytes().data() + place.offset;
}

void RecordStore::use_in_job() const {
  if (on_device_ + pinned_ == size()) return;
  for (const auto& file : files_)
    if (file) add_job_input(file);
}

void RecordStore::load(const ResidentBudget& budget) {
  if (device_.is_cpu()) return;
  use_in_job();
  const int64_t total = size();
  on_device_ = std::min(total, budget.device_bytes / layout_.size_bytes());
  pinned_ = std::min(total - on_device_, budget.pinned_bytes / layout_.size_bytes());
  for (const RecordPart& part : layout_.parts()) {
    const auto options = at::TensorOptions().dtype(part.dtype).device(device_);
    device_pool_.push_back(at::empty(with_batch(on_device_, part.shape), options));
    pinned_pool_.push_back(allocate(part, pinned_, pinned_ > 0));
  }
  constexpr int64_t block = 16;  // records of a transfer
  for (int64_t first = 0; first < on_device_ + pinned_; first += block) {
    check_cancelled();
    const int64_t last = std::min(first + block, first < on_device_ ? on_device_ : on_device_ + pinned_);
    for (size_t i = 0; i < layout_.parts().size(); ++i) {
      const RecordPart& part = layout_.parts()[i];
      const bool to_device = first < on_device_;
      const at::Tensor target = to_device ? allocate(part, last - first, true)
                                          : pinned_pool_[i].slice(0, first - on_device_, last - on_device_);
      auto* bytes = static_cast<uint8_t*>(target.mutable_data_ptr());
      for (int64_t record = first; record < last; ++record)
        std::memcpy(bytes + (record - first) * part.bytes, record_bytes(record) + part.offset,
                    static_cast<size_t>(part.bytes));
      // The pinned block is given back only when its copy is done: libtorch's host allocator sees to it.
      if (to_device) device_pool_[i].slice(0, first, last).copy_(target, true);
    }
    report_progress(static_cast<uint64_t>(last), static_cast<uint64_t>(on_device_ + pinned_));
    if (first < on_device_ && last == on_device_) first = on_device_ - block;
  }
}

at::Tensor RecordStore::host_view(const RecordPart& part, int64_t record) const {
  if (record >= on_device_ && record < on_device_ + pinned_) {
    const auto index = static_cast<size_t>(&part - layout_.parts().data());
    return pinned_pool_[index].slice(0, record - on_device_, record - on_device_ + 1);
  }
  // Pages of a private mapping: nobody writes to them.
  auto* bytes = const_cast<uint8_t*>(record_bytes(record)) + part.offset;
  return at::from_blob(
      bytes, with_batch(1, part.shape), [keep = shared_from_this()](void*) {},
      at::TensorOptions().dtype(part.dtype));
}

void RecordStore::check_records(const std::vector<int64_t>& records) const {
  if (records.empty()) fail("INVALID_ARGUMENT", "a batch needs at least one record");
  for (const int64_t record : records)
    if (record < 0 || record >= size())
      fail("INVALID_ARGUMENT", "the cache has records 0 to ", size() - 1, ", ", record, " was requested");
}

RecordStore::HostBatch RecordStore::assemble(const std::vector<int64_t>& records) const {
  check_records(records);
  HostBatch host{records, {}};
  const auto absent = [&](int64_t record) { return record >= on_device_; };
  if (std::none_of(records.begin(), records.end(), absent)) return host;
  for (const RecordPart& part : layout_.parts()) {
    if (records.size() == 1 && (device_.is_cpu() || records[0] < on_device_ + pinned_)) {
      host.parts.push_back(host_view(part, records[0]));
      continue;
    }
    const at::Tensor batch = allocate(part, static_cast<int64_t>(records.size()), !device_.is_cpu());
    auto* bytes = static_cast<uint8_t*>(batch.mutable_data_ptr());
    for (size_t slot = 0; slot < records.size(); ++slot)
      if (absent(records[slot]))
        std::memcpy(bytes + static_cast<int64_t>(slot) * part.bytes,
                    host_view(part, records[slot]).const_data_ptr(), static_cast<size_t>(part.bytes));
    host.parts.push_back(batch);
  }
  return host;
}

HeadBatch RecordStore::batch(const HostBatch& host) const {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < layout_.parts().size(); ++i) {
    if (host.parts.empty() && host.records.size() == 1) {
      parts.push_back(device_pool_[i].slice(0, host.records[0], host.records[0] + 1));
      continue;
    }
    if (host.parts.empty()) {
      const at::Tensor rows = at::tensor(host.records, at::kLong).to(device_, true);
      parts.push_back(device_pool_[i].index_select(0, rows));
      continue;
    }
    at::Tensor batch = host.parts[i].to(device_, host.parts[i].scalar_type(), true);
    for (size_t slot = 0; slot < host.records.size(); ++slot)
      if (host.records[slot] < on_device_)
        batch.select(0, static_cast<int64_t>(slot)).copy_(device_pool_[i].select(0, host.records[slot]));
    parts.push_back(batch);
  }
  HeadBatch result;
  result.records = host.records;
  const std::pair<const char*, at::Tensor*> named[] = {{"queries", &result.queries},
                                                       {"masks", &result.masks},
                                                       {"features", &result.features},
                                                       {"labels", &result.labels}};
  for (const auto& [name, target] : named)
    if (const RecordPart* part = layout_.find(name))
      *target = parts[static_cast<size_t>(part - layout_.parts().data())];
  if (const RecordPart* part = layout_.find("feature_ranges"))
    result.features =
        dequantised_features({result.features, parts[static_cast<size_t>(part - layout_.parts().data())]});
  return result;
}

}  // namespace dinov3_seg
