// Appending records to a cache's files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cache/record_layout.h"
#include "core/named_tensor.h"

namespace dinov3_seg {

/// Where a record went.
struct WrittenRecord {
  int64_t offset;  // in its file
  uint64_t checksum;
  std::vector<int64_t> class_pixels;  // labelled pixels of each class
};

/// An output's values as a record has them, on their device: one part, or `features` and `feature_ranges` of
/// features in uint8. `masks` are logits, or uint8 already; `features` values, or uint8 already.
std::vector<NamedTensor> stored_parts(const std::string& name, at::ScalarType dtype,
                                      const at::Tensor& values);

/// The right to write to a cache folder, held while this lives, by one process at a time and one writer in
/// it.
class CacheLock {
 public:
  /// Throws CACHE when another writer has it, IO.
  explicit CacheLock(const std::string& path);
  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  int fd_;
};

/// Appends to one file at a time. Not thread-safe: one job at a time.
class ShardWriter {
 public:
  ShardWriter(RecordLayout layout, std::string cache_id, const std::string& lock_path);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Goes on with a file of `size` bytes that count (0: a new one); what stands behind them is cut off.
  /// Throws CACHE when the file is shorter or of another cache, DISK_FULL, IO.
  void open(const std::string& path, int64_t size);

  /// Appends a record for each image of a batch. `parts` are the layout's by name with B in front, on any
  /// device, or the outputs that stored_parts() makes them of. `classes`: labels are below it or 255. Throws
  /// SHAPE, LABEL_VALUE, DISK_FULL, IO; the file then ends where it did before.
  std::vector<WrittenRecord> append(const std::map<std::string, at::Tensor>& parts, int64_t classes);

  /// What was appended survives a power cut from here on.
  void sync();

  int64_t size_bytes() const { return size_; }

 private:
  void write(const void* data, int64_t size);
  void close() noexcept;

  RecordLayout layout_;
  std::string cache_id_;
  CacheLock lock_;
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

}  // namespace dinov3_seg
