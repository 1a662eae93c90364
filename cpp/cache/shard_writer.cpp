#include "cache/shard_writer.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <system_error>
#include <utility>

#include "cache/quantised_features.h"
#include "core/error.h"
#include "core/file_write.h"
#include "core/xxh64.h"

namespace dinov3_seg {
namespace {

std::string text_of(int error) { return std::generic_category().message(error); }

/// A batch's part as it is stored: B×… contiguous on the CPU.
at::Tensor stored(const RecordPart& part, const at::Tensor& given) {
  const bool fits = given.dim() == static_cast<int64_t>(part.shape.size()) + 1 && given.size(0) > 0 &&
                    given.sizes().slice(1) == c10::IntArrayRef(part.shape);
  if (!fits)
    fail("SHAPE", "the cache holds ", part.name, " of ", c10::IntArrayRef(part.shape),
         " per image, got a batch of ", given.sizes());
  return given.to(at::kCPU, part.dtype).contiguous();
}

std::vector<int64_t> count_classes(const uint8_t* labels, int64_t pixels, int64_t classes) {
  std::array<int64_t, 256> counts{};
  for (int64_t i = 0; i < pixels; ++i) ++counts[labels[i]];
  for (int64_t value = classes; value < 255; ++value)
    if (counts[static_cast<size_t>(value)] > 0)
      fail("LABEL_VALUE", counts[static_cast<size_t>(value)], " pixels have the label ", value,
           ", which is neither one of the ", classes, " classes nor 255");
  return {counts.begin(), counts.begin() + classes};
}

}  // namespace

std::vector<NamedTensor> stored_parts(const std::string& name, at::ScalarType dtype,
                                      const at::Tensor& values) {
  if (dtype == at::kByte && values.scalar_type() != at::kByte) {
    if (name == "masks") return {{name, values.to(at::kFloat).sigmoid().mul_(255).round_().to(dtype)}};
    if (name == "features") {
      const QuantisedFeatures stored = quantise_features(values);
      return {{name, stored.values}, {"feature_ranges", stored.ranges}};
    }
  }
  return {{name, values.to(dtype)}};
}

CacheLock::CacheLock(const std::string& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail(is_full(errno) ? "DISK_FULL" : "IO", "cannot open ", path, ": ", text_of(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(fd_);
  if (error == EWOULDBLOCK)
    fail("CACHE", "another process is writing to this cache (it has locked ", path,
         "); wait for it, or stop it");
  fail("IO", "cannot lock ", path, ": ", text_of(error));
}

CacheLock::~CacheLock() { ::close(fd_); }

ShardWriter::ShardWriter(RecordLayout layout, std::string cache_id, const std::string& lock_path)
    : layout_(std::move(layout)), cache_id_(std::move(cache_id)), lock_(lock_path) {}

ShardWriter::~ShardWriter() { close(); }

void ShardWriter::open(const std::string& path, int64_t size) {
  close();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(is_full(errno) ? "DISK_FULL" : "IO", "cannot open ", path, ": ", text_of(errno));
  path_ = path;
  size_ = size;
  struct stat info{};
  if (::fstat(fd_, &info) != 0) fail("IO", "cannot read the size of ", path, ": ", text_of(errno));
  if (info.st_size < size)
    fail("CACHE", path, " has ", info.st_size, " bytes, expected at least ", size, ": it was truncated");
  if (::ftruncate(fd_, size) != 0) fail("IO", "cannot shorten ", path, ": ", text_of(errno));
  const std::string header = shard_header(cache_id_);
  if (size == 0) {
    write(header.data(), shard_header_bytes);
    return;
  }
  std::string found(shard_header_bytes, '\0');
  if (::pread(fd_, found.data(), found.size(), 0) != shard_header_bytes || found != header)
    fail("CACHE", path, " does not have the header of this cache");
}

std::vector<WrittenRecord> ShardWriter::append(const std::map<std::string, at::Tensor>& parts,
                                               int64_t classes) {
  if (fd_ < 0) fail("INTERNAL", "a record was appended before a file was opened");
  std::map<std::string, at::Tensor> given;
  for (const auto& [name, tensor] : parts)
    if (const RecordPart* part = layout_.find(name))
      for (NamedTensor& each : stored_parts(name, part->dtype, tensor)) given.emplace(each.name, each.tensor);
  std::vector<at::Tensor> values;
  for (const RecordPart& part : layout_.parts()) {
    const auto found = given.find(part.name);
    if (found == given.end()) fail("SHAPE", "the cache needs ", part.name, " of each image; none were given");
    values.push_back(stored(part, found->second));
    if (values.back().size(0) != values.front().size(0))
      fail("SHAPE", "expected parts of the same number of images, got ", values.front().size(0), " and ",
           values.back().size(0));
  }
  std::vector<WrittenRecord> written;
  std::vector<uint8_t> record(static_cast<size_t>(layout_.size_bytes()));
  for (int64_t image = 0; image < values.front().size(0); ++image) {
    WrittenRecord result{size_, 0, {}};
    for (size_t i = 0; i < values.size(); ++i) {
      const RecordPart& part = layout_.parts()[i];
      const auto* bytes = static_cast<const uint8_t*>(values[i].const_data_ptr()) + image * part.bytes;
      std::memcpy(record.data() + part.offset, bytes, static_cast<size_t>(part.bytes));
      if (part.name == "labels") result.class_pixels = count_classes(bytes, part.bytes, classes);
    }
    result.checksum = xxh64(record.data(), record.size());
    write(record.data(), layout_.size_bytes());
    written.push_back(std::move(result));
  }
  return written;
}

void ShardWriter::write(const void* data, int64_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (int64_t done = 0; done < size;) {
    const ssize_t count = without_sigxfsz(
        [&] { return ::pwrite(fd_, bytes + done, static_cast<size_t>(size - done), size_ + done); });
    if (count < 0 && errno == EINTR) continue;
    if (count > 0) {
      done += count;
      continue;
    }
    const int error = count < 0 ? errno : ENOSPC;
    // What stands there of this record goes; a failure to cut it off is cut off at the next opening.
    [[maybe_unused]] const int cut = ::ftruncate(fd_, size_);
    if (is_full(error))
      fail("DISK_FULL", "cannot write ", path_, ": no room for a record of ", size, " bytes (",
           text_of(error), "). Earlier records stay usable: free some space and run it again");
    fail("IO", "cannot write ", path_, ": ", text_of(error));
  }
  size_ += size;
}

void ShardWriter::sync() {
  if (fd_ >= 0 && ::fdatasync(fd_) != 0)
    fail(is_full(errno) ? "DISK_FULL" : "IO", "cannot sync ", path_, ": ", text_of(errno));
}

void ShardWriter::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace dinov3_seg
