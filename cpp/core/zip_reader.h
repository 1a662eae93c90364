// The zip archives that torch.save and torch.jit.save write: where the entries lie in the mapped file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mapped_file.h"

namespace dinov3_seg {

struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  ///< of the first data byte in the file
  std::uint64_t size = 0;    ///< bytes once unpacked
  std::uint32_t crc32 = 0;   ///< 0 where the writer was told not to compute it
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
};

/// The table of contents of a zip archive (zip64 included). Made for files from anywhere: every offset is
/// checked against the file, no two entries overlap, names are unique.
class ZipReader {
 public:
  /// True if the file begins as a zip archive does.
  static bool looks_like_zip(std::span<const std::uint8_t> bytes);

  /// Throws CHECKPOINT_FORMAT (not a zip archive, or one of a kind not read here), CHECKPOINT_TRUNCATED (its
  /// end or part of its entries are missing), CHECKPOINT_ENCRYPTED.
  explicit ZipReader(std::shared_ptr<const MappedFile> file);

  const std::shared_ptr<const MappedFile>& file() const noexcept { return file_; }
  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  /// The entry of this full name, or nullptr.
  const ZipEntry* find(std::string_view name) const;
  /// The bytes of an entry as a view of the mapped file. Throws CHECKPOINT_FORMAT if the entry is compressed.
  std::span<const std::uint8_t> data(const ZipEntry& entry) const;
  /// `data`, with the CRC-32 compared; CHECKPOINT_FORMAT if it differs. Reads every byte: for small entries.
  std::span<const std::uint8_t> checked_data(const ZipEntry& entry) const;

  /// 64 hexadecimal digits that identify the content: SHA-256 over name, size and CRC-32 of every entry, in
  /// order. Cheap for any file size, since only the table of contents is read. Says little about a file that
  /// was written with CRC-32 switched off.
  std::string content_id() const;

 private:
  struct Directory {
    std::uint64_t count, size, offset;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void locate(ZipEntry& entry, std::uint64_t header_offset, std::uint64_t packed_size) const;
  void refuse_overlaps() const;

  std::shared_ptr<const MappedFile> file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace dinov3_seg
