// A file mapped into memory: tensors made from it are views whose pages are read when they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "guarded_pages.h"

namespace dinov3_seg {

/// A private, copy-on-write mapping of a file. The file itself is opened for reading only and is never
/// changed; an in-place operation on a tensor that views the mapping changes the pages of this process alone.
///
/// Share it (`std::shared_ptr`) with everything that points into it. If the file becomes shorter while it is
/// mapped, or its disk fails, the bytes that are gone read as zeros, and `damage()` says so. A job that reads
/// a file has it among its inputs (job_inputs.h), which are checked before the result is given or written.
class MappedFile {
 public:
  /// Throws what RegularFile throws, and IO if mapping fails. In a job, the file becomes one of its inputs.
  ///
  /// `most_bytes`: what lies behind is not mapped, and the file may lose it.
  static std::shared_ptr<const MappedFile> open(
      const std::string& path, std::uint64_t most_bytes = std::numeric_limits<std::uint64_t>::max());

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Bytes that are mapped: the size of the file.
  std::uint64_t size() const noexcept { return size_; }
  /// All bytes; empty for an empty file.
  std::span<const std::uint8_t> bytes() const noexcept { return {data_, size_}; }

  /// Whether a page could not be read since the file was mapped.
  bool faulted() const noexcept { return guard_ && guard_->faulted(); }
  /// Why bytes that were read may not be those of the file; empty if they are. Looks at the file again.
  std::string damage() const;

  /// The file whose mapping holds this address; null if there is none.
  static std::shared_ptr<const MappedFile> holding(const void* address);

 private:
  struct Identity {
    std::uint64_t device, number;
  };
  MappedFile(std::string path, std::uint8_t* data, std::size_t size, Identity identity);

  std::string path_;
  std::uint8_t* data_;
  std::size_t size_;
  Identity identity_;
  std::optional<GuardedPages> guard_;  // absent for an empty file
};

}  // namespace dinov3_seg
