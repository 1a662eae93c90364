// A file mapped into memory: tensors made from it are views whose pages are read when they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace dinov3_seg {

/// A private, copy-on-write mapping of a whole file. The file itself is opened for reading only and is never
/// changed; an in-place operation on a tensor that views the mapping changes the pages of this process alone.
///
/// Share it (`std::shared_ptr`) with everything that points into it. The file must not be shortened while it
/// is mapped: as with every memory map, touching a page that is gone ends the process (SIGBUS).
class MappedFile {
 public:
  /// Throws what RegularFile throws, and IO if mapping fails.
  static std::shared_ptr<const MappedFile> open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// File size in bytes.
  std::uint64_t size() const noexcept { return size_; }
  /// All bytes; empty for an empty file.
  std::span<const std::uint8_t> bytes() const noexcept { return {data_, size_}; }

 private:
  MappedFile(std::string path, std::uint8_t* data, std::size_t size);

  std::string path_;
  std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace dinov3_seg
