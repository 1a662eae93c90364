#include "zip_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "byte_reader.h"
#include "error.h"
#include "job_control.h"
#include "sha256.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

// Layout and signatures: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3.
constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator64_signature = 0x07064b50;
constexpr std::uint64_t end_size = 22;
constexpr std::uint64_t locator64_size = 20;
constexpr std::uint64_t central_size = 46;
constexpr std::uint16_t stored = 0;
constexpr std::uint16_t aes_method = 99;
// Bit 0: entry encrypted; 6: strong encryption; 13: central directory encrypted.
constexpr std::uint16_t encrypted_flags = 1 | 1 << 6 | 1 << 13;

template <typename T>
T value_at(std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  return ByteReader(bytes.subspan(offset)).value<T>();
}

[[noreturn]] void truncated(const MappedFile& file, const std::string& what) {
  fail("CHECKPOINT_TRUNCATED", file.path(), " (", file.size(),
       " bytes) is a truncated or damaged zip archive: ", what, ". Copy or download it again");
}

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> result{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
      result[i] = c;
    }
    return result;
  }();
  std::uint32_t crc = 0xffffffff;
  for (const std::uint8_t byte : bytes) crc = table[(crc ^ byte) & 255] ^ crc >> 8;
  return ~crc;
}

/// Replaces the values that are all ones by those of the zip64 extra field, which holds only these, in this
/// order.
void apply_zip64(ByteReader extra, std::uint64_t& size, std::uint64_t& packed_size, std::uint64_t& offset) {
  constexpr std::uint32_t escape = 0xffffffff;
  while (extra.left() >= 4) {
    const auto id = extra.value<std::uint16_t>();
    ByteReader field(extra.take(extra.value<std::uint16_t>()));
    if (id != 1) continue;
    if (size == escape) size = field.value<std::uint64_t>();
    if (packed_size == escape) packed_size = field.value<std::uint64_t>();
    if (offset == escape) offset = field.value<std::uint64_t>();
    return;
  }
}

}  // namespace

bool ZipReader::looks_like_zip(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 4) return false;
  const auto signature = value_at<std::uint32_t>(bytes, 0);
  return signature == local_signature || signature == end_signature;
}

ZipReader::ZipReader(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  if (!looks_like_zip(file_->bytes())) fail("CHECKPOINT_FORMAT", file_->path(), " is not a zip archive");
  try {
    read_directory(find_directory());
  } catch (const OutOfBytes&) {
    truncated(*file_, "its table of contents ends early");
  }
  refuse_overlaps();
}

ZipReader::Directory ZipReader::find_directory() const {
  const auto bytes = file_->bytes();
  if (bytes.size() < end_size) truncated(*file_, "it has no end record");
  // The end record is followed by a comment of up to 65535 bytes, so it is searched from the back.
  const std::uint64_t last = bytes.size() - end_size;
  const std::uint64_t first = last > 0xffff ? last - 0xffff : 0;
  std::uint64_t end = last + 1;
  do {
    if (end == first) truncated(*file_, "it has no end record");
    --end;
  } while (value_at<std::uint32_t>(bytes, end) != end_signature ||
           end + end_size + value_at<std::uint16_t>(bytes, end + 20) != bytes.size());

  ByteReader record(bytes.subspan(end + 4));
  const auto disk = record.value<std::uint16_t>();
  const auto directory_disk = record.value<std::uint16_t>();
  record.take(2);
  Directory directory{};
  directory.count = record.value<std::uint16_t>();
  directory.size = record.value<std::uint32_t>();
  directory.offset = record.value<std::uint32_t>();
  const bool has_locator =
      end >= locator64_size && value_at<std::uint32_t>(bytes, end - locator64_size) == locator64_signature;
  if (has_locator) {
    const auto offset = value_at<std::uint64_t>(bytes, end - locator64_size + 8);
    if (offset > end || end - offset < 56 || value_at<std::uint32_t>(bytes, offset) != end64_signature) {
      truncated(*file_, "its zip64 end record is not where it should be");
    }
    directory.count = value_at<std::uint64_t>(bytes, offset + 32);
    directory.size = value_at<std::uint64_t>(bytes, offset + 40);
    directory.offset = value_at<std::uint64_t>(bytes, offset + 48);
  } else if (disk != 0 || directory_disk != 0) {
    fail("CHECKPOINT_FORMAT", file_->path(),
         " is part of a multi-volume zip archive; join the parts into one file");
  }
  if (directory.offset > end || directory.size > end - directory.offset) {
    truncated(*file_, "its table of contents lies outside the file");
  }
  if (directory.count > directory.size / central_size)
    truncated(*file_, "it lists more entries than it can hold");
  return directory;
}

void ZipReader::read_directory(const Directory& directory) {
  ByteReader reader(file_->bytes().subspan(directory.offset, directory.size));
  entries_.reserve(directory.count);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (i % 1024 == 0) check_cancelled();
    if (reader.value<std::uint32_t>() != central_signature)
      truncated(*file_, "its table of contents is damaged");
    reader.take(4);  // versions
    ZipEntry entry;
    const auto flags = reader.value<std::uint16_t>();
    entry.method = reader.value<std::uint16_t>();
    reader.take(4);  // time and date
    entry.crc32 = reader.value<std::uint32_t>();
    std::uint64_t packed_size = reader.value<std::uint32_t>();
    entry.size = reader.value<std::uint32_t>();
    const auto name_size = reader.value<std::uint16_t>();
    const auto extra_size = reader.value<std::uint16_t>();
    const auto comment_size = reader.value<std::uint16_t>();
    reader.take(8);  // disk, attributes
    std::uint64_t header_offset = reader.value<std::uint32_t>();
    entry.name = reader.text(name_size);
    apply_zip64(ByteReader(reader.take(extra_size)), entry.size, packed_size, header_offset);
    reader.take(comment_size);

    if ((flags & encrypted_flags) != 0 || entry.method == aes_method) {
      fail("CHECKPOINT_ENCRYPTED", file_->path(), " is an encrypted zip archive (entry '",
           printable(entry.name), "'); decrypt it to the file written by torch.save");
    }
    locate(entry, header_offset, packed_size);
    entries_.push_back(std::move(entry));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!index_.emplace(entries_[i].name, i).second) {
      fail("CHECKPOINT_FORMAT", file_->path(), " contains two entries named '", printable(entries_[i].name),
           "', so it was not written by torch.save");
    }
  }
}

/// Sets `entry.offset`: the data follow a local header whose length only the header itself tells.
void ZipReader::locate(ZipEntry& entry, std::uint64_t header_offset, std::uint64_t packed_size) const {
  const auto bytes = file_->bytes();
  if (header_offset > bytes.size())
    truncated(*file_, "entry '" + printable(entry.name) + "' lies outside the file");
  ByteReader header(bytes.subspan(header_offset));
  if (header.value<std::uint32_t>() != local_signature) {
    truncated(*file_, "entry '" + printable(entry.name) + "' is not where the table of contents states");
  }
  header.take(22);
  const auto name_size = header.value<std::uint16_t>();
  const auto extra_size = header.value<std::uint16_t>();
  if (header.text(name_size) != entry.name) {
    fail("CHECKPOINT_FORMAT", file_->path(), ": entry '", printable(entry.name),
         "' has another name in its own header");
  }
  header.take(extra_size);
  if (packed_size > header.left())
    truncated(*file_, "entry '" + printable(entry.name) + "' ends after the file");
  if (entry.method == stored && packed_size != entry.size) {
    fail("CHECKPOINT_FORMAT", file_->path(), ": entry '", printable(entry.name),
         "' is stored without compression, but its two sizes differ (", packed_size, " and ", entry.size,
         " bytes)");
  }
  entry.offset = header_offset + header.position();
}

void ZipReader::refuse_overlaps() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& entry : entries_) {
    if (entry.method == stored && entry.size > 0)
      ranges.emplace_back(entry.offset, entry.offset + entry.size);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      fail("CHECKPOINT_FORMAT", file_->path(), ": entries overlap at byte ", ranges[i].first,
           ", so it was not written by torch.save");
    }
  }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::uint8_t> ZipReader::data(const ZipEntry& entry) const {
  if (entry.method != stored) {
    fail("CHECKPOINT_FORMAT", file_->path(), ": entry '", printable(entry.name),
         "' is compressed (zip method ", entry.method,
         "), which torch.save never does. Unpack the archive and pack it again without compression (zip -0 "
         "-r), or "
         "load and save it with PyTorch");
  }
  return file_->bytes().subspan(entry.offset, entry.size);
}

std::span<const std::uint8_t> ZipReader::checked_data(const ZipEntry& entry) const {
  const auto bytes = data(entry);
  if (entry.crc32 != 0 && crc32(bytes) != entry.crc32) {
    fail("CHECKPOINT_FORMAT", file_->path(), ": entry '", printable(entry.name),
         "' is damaged (its CRC-32 differs). Copy or download the file again");
  }
  return bytes;
}

std::string ZipReader::content_id() const {
  Sha256 hash;
  for (const auto& entry : entries_) {
    const std::uint64_t name_size = entry.name.size();
    hash.update(&name_size, sizeof name_size);
    hash.update(entry.name.data(), entry.name.size());
    hash.update(&entry.size, sizeof entry.size);
    hash.update(&entry.crc32, sizeof entry.crc32);
  }
  return hash.hex();
}

}  // namespace dinov3_seg
