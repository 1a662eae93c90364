// Appending records to a cache's files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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
/// it. The file says which.
class CacheLock {
 public:
  /// Throws CACHE when another writer has it, naming its process, IO.
  explicit CacheLock(const std::string& path);
  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  int fd_;
};

/// Arrays of a batch of images, and which of these are records.
struct RecordBatch {
  /// The layout's parts by name with B in front, on any device, or the outputs that stored_parts() makes them
  /// of.
  std::map<std::string, at::Tensor> parts;
  std::vector<int64_t> images;
};

class OpenFile;

/// Appends to one file at a time. Not thread-safe: one call at a time.
class ShardWriter {
 public:
  ShardWriter(RecordLayout layout, std::string cache_id, const std::string& lock_path);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Goes on with a file of `size` bytes that count (0: a new one); what stands behind them is cut off.
  /// Returns where the next record begins. Throws CACHE when the file is shorter or of another cache,
  /// DISK_FULL, IO.
  int64_t open(const std::string& path, int64_t size);

  /// Appends the records of some batches, in order. `classes`: labels are below it or 255. Throws
  /// INVALID_ARGUMENT, SHAPE, LABEL_VALUE, DISK_FULL, IO; the file then ends where it did before.
  std::vector<WrittenRecord> append(const std::vector<RecordBatch>& batches, int64_t classes);

  /// Returns a function that, on any thread, makes what was appended to the open file survive a power cut; it
  /// throws DISK_FULL, IO. The writer may go on meanwhile, with another file, too.
  std::function<void()> sync() const;

 private:
  /// Where the arrays of a record lie, in the order of the layout.
  using Sources = std::vector<const uint8_t*>;

  std::vector<at::Tensor> stored_arrays(const RecordBatch& batch) const;
  WrittenRecord assemble(const Sources& sources, int64_t classes, uint8_t* record) const;
  void write(const void* data, int64_t size, int64_t offset);

  RecordLayout layout_;
  std::string cache_id_;
  CacheLock lock_;
  std::shared_ptr<const OpenFile> file_;
  int64_t size_ = 0;
  std::vector<uint8_t> records_;  // that are written at a time; what no array fills stays zero
};

/// Appends text to a file, which is made where there is none. Throws DISK_FULL, IO; some of it may stand in
/// the file then.
void append_text(const std::string& path, const std::string& text);

}  // namespace dinov3_seg
