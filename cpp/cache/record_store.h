// Reading a cache's records: mapped from their files, and as far as they fit held on the device or in pinned
// memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/record_layout.h"
#include "core/mapped_file.h"
#include "heads/trained_heads.h"

namespace dinov3_seg {

/// Where a record stands.
struct RecordPlace {
  int64_t file;  // index into the files
  int64_t offset;
  uint64_t checksum;
};

/// A record that cannot be used, and why.
struct DamagedRecord {
  int64_t record;
  std::string reason;
};

/// How much memory records may take, in bytes. Of the device: nothing where it is the CPU.
struct ResidentBudget {
  int64_t device_bytes;
  int64_t pinned_bytes;
};

/// What is free for records: of the device all but an eighth and 1 GiB, of the host's memory for pinned pages
/// a quarter.
ResidentBudget free_budget(c10::Device device);

/// The records of a cache, numbered by the order of `places`. After load() members may be called from any
/// thread.
class RecordStore : public std::enable_shared_from_this<RecordStore> {
 public:
  /// Maps the files; a file that is missing makes its records damaged ones.
  RecordStore(RecordLayout layout, const std::string& cache_id, const std::vector<std::string>& files,
              std::vector<RecordPlace> places, c10::Device device);

  int64_t size() const { return static_cast<int64_t>(places_.size()); }
  const RecordLayout& layout() const { return layout_; }
  c10::Device device() const { return device_; }

  /// Compares every record with its checksum. Reports records.
  std::vector<DamagedRecord> verify() const;

  /// Copies the first records to the device, the next ones to pinned memory, as far as the budget goes. Call
  /// it once, on records that verify() found whole. Reports records.
  void load(const ResidentBudget& budget);
  int64_t on_device() const { return on_device_; }
  int64_t in_pinned_memory() const { return pinned_; }

  /// The calling thread's job reads records: damage to their files is an error of that job.
  void use_in_job() const;

  /// Where a batch's arrays lie before they go to the device.
  struct HostBatch {
    std::vector<int64_t> records;
    std::vector<at::Tensor> parts;  // in the layout's order, B×…; undefined where all are on the device
  };
  /// Assembles on the host what is not on the device. One record on the CPU is a view of the file.
  HostBatch assemble(const std::vector<int64_t>& records) const;
  /// The batch on the device, without waiting for it.
  HeadBatch batch(const HostBatch& host) const;

 private:
  const uint8_t* record_bytes(int64_t record) const;
  bool holds(const MappedFile& file, const RecordPlace& place) const;
  std::string damage(int64_t record) const;
  at::Tensor host_view(const RecordPart& part, int64_t record) const;
  void check_records(const std::vector<int64_t>& records) const;

  RecordLayout layout_;
  std::string header_;
  std::vector<std::string> paths_;
  std::vector<std::shared_ptr<const MappedFile>> files_;  // null: missing
  std::vector<RecordPlace> places_;
  c10::Device device_;
  int64_t on_device_ = 0;                // records 0 … on_device_ − 1
  int64_t pinned_ = 0;                   // records on_device_ … on_device_ + pinned_ − 1
  std::vector<at::Tensor> device_pool_;  // a part each, on_device_×…
  std::vector<at::Tensor> pinned_pool_;  // a part each, pinned_×…
};

}  // namespace dinov3_seg
