#include "cache/shard_writer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

/// Records are assembled in memory and written up to so many bytes at a time.
constexpr int64_t most_write_bytes = 64 << 20;

std::string text_of(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_to(const char* what, const std::string& path, int error) {
  fail(is_full(error) ? "DISK_FULL" : "IO", "cannot ", what, " ", path, ": ", text_of(error),
       disk_advice(error));
}

/// Calls `write(data, size, done)`, as pwrite, until all is written. 0, or the error that kept it from that.
template <typename Write>
int write_all(const void* data, int64_t size, Write write) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (int64_t done = 0; done < size;) {
    const ssize_t count =
        without_sigxfsz([&] { return write(bytes + done, static_cast<size_t>(size - done), done); });
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? errno : ENOSPC;
    done += count;
  }
  return 0;
}

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

/// A file that is open until nobody writes or syncs it any more.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : path(path), fd(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd < 0) fail_to("open", path, errno);
  }
  ~OpenFile() { ::close(fd); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const std::string path;
  const int fd;
};

namespace {

/// Says in the lock's file who holds it, for the message to others; a full disk is no reason not to write.
void write_holder(int fd) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string holder = "process " + std::to_string(::getpid()) + " on " + host.data();
  if (::ftruncate(fd, 0) == 0)
    write_all(holder.data(), static_cast<int64_t>(holder.size()),
              [&](const uint8_t* data, size_t size, int64_t done) { return ::pwrite(fd, data, size, done); });
}

std::string read_holder(int fd) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<size_t>(size)) : "another process";
}

}  // namespace

CacheLock::CacheLock(const std::string& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail_to("open", path, errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
    write_holder(fd_);
    return;
  }
  const int error = errno;
  const std::string holder = error == EWOULDBLOCK ? read_holder(fd_) : "";
  ::close(fd_);
  if (error == EWOULDBLOCK)
    fail("CACHE", holder, " is writing to this cache (it has locked ", path, "); wait for it, or stop it");
  fail_to("lock", path, error);
}

CacheLock::~CacheLock() { ::close(fd_); }

ShardWriter::ShardWriter(RecordLayout layout, std::string cache_id, const std::string& lock_path)
    : layout_(std::move(layout)), cache_id_(std::move(cache_id)), lock_(lock_path) {}

ShardWriter::~ShardWriter() = default;

int64_t ShardWriter::open(const std::string& path, int64_t size) {
  file_ = std::make_shared<const OpenFile>(path, O_RDWR | O_CREAT);
  size_ = size;
  struct stat info{};
  if (::fstat(file_->fd, &info) != 0) fail_to("read the size of", path, errno);
  if (info.st_size < size)
    fail("CACHE", path, " has ", info.st_size, " bytes, expected at least ", size, ": it was truncated");
  if (::ftruncate(file_->fd, size) != 0) fail_to("shorten", path, errno);
  const std::string header = shard_header(cache_id_);
  if (size == 0) {
    write(header.data(), shard_header_bytes, 0);
    return size_ = shard_header_bytes;
  }
  std::string found(shard_header_bytes, '\0');
  if (::pread(file_->fd, found.data(), found.size(), 0) != shard_header_bytes || found != header)
    fail("CACHE", path, " does not have the header of this cache");
  return size_;
}

std::vector<at::Tensor> ShardWriter::stored_arrays(const RecordBatch& batch) const {
  std::map<std::string, at::Tensor> given;
  for (const auto& [name, tensor] : batch.parts)
    if (const RecordPart* part = layout_.find(name))
      for (NamedTensor& each : stored_parts(name, part->dtype, tensor)) given.emplace(each.name, each.tensor);
  std::vector<at::Tensor> arrays;
  for (const RecordPart& part : layout_.parts()) {
    const auto found = given.find(part.name);
    if (found == given.end()) fail("SHAPE", "the cache needs ", part.name, " of each image; none were given");
    arrays.push_back(stored(part, found->second));
    if (arrays.back().size(0) != arrays.front().size(0))
      fail("SHAPE", "expected parts of the same number of images, got ", arrays.front().size(0), " and ",
           arrays.back().size(0));
  }
  return arrays;
}

std::vector<WrittenRecord> ShardWriter::append(const std::vector<RecordBatch>& batches, int64_t classes) {
  if (!file_) fail("INTERNAL", "a record was appended before a file was opened");
  std::vector<std::vector<at::Tensor>> held;
  std::vector<Sources> sources;
  for (const RecordBatch& batch : batches) {
    held.push_back(stored_arrays(batch));
    for (const int64_t image : batch.images) {
      if (image < 0 || image >= held.back().front().size(0))
        fail("INVALID_ARGUMENT", "there is no image ", image, " in a batch of ", held.back().front().size(0));
      Sources& source = sources.emplace_back();
      for (size_t i = 0; i < held.back().size(); ++i)
        source.push_back(static_cast<const uint8_t*>(held.back()[i].const_data_ptr()) +
                         image * layout_.parts()[i].bytes);
    }
  }
  const int64_t bytes = layout_.size_bytes(), count = static_cast<int64_t>(sources.size());
  const int64_t at_a_time = std::clamp<int64_t>(most_write_bytes / bytes, 1, std::max<int64_t>(1, count));
  if (records_.size() < static_cast<size_t>(at_a_time * bytes))
    records_.resize(static_cast<size_t>(at_a_time * bytes));
  std::vector<WrittenRecord> written(sources.size());
  for (int64_t first = 0; first < count; first += at_a_time) {
    const int64_t last = std::min(first + at_a_time, count);
    at::parallel_for(first, last, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        WrittenRecord& record = written[static_cast<size_t>(i)];
        record = assemble(sources[static_cast<size_t>(i)], classes, records_.data() + (i - first) * bytes);
        record.offset = size_ + i * bytes;
      }
    });
    write(records_.data(), (last - first) * bytes, size_ + first * bytes);
  }
  size_ += count * bytes;
  return written;
}

/// Copies, counts and hashes; the record's place is not known here.
WrittenRecord ShardWriter::assemble(const Sources& sources, int64_t classes, uint8_t* record) const {
  WrittenRecord result{};
  for (size_t i = 0; i < sources.size(); ++i) {
    const RecordPart& part = layout_.parts()[i];
    std::memcpy(record + part.offset, sources[i], static_cast<size_t>(part.bytes));
    if (part.name == "labels") result.class_pixels = count_classes(sources[i], part.bytes, classes);
  }
  result.checksum = xxh64(record, static_cast<size_t>(layout_.size_bytes()));
  return result;
}

void ShardWriter::write(const void* data, int64_t size, int64_t offset) {
  const int error = write_all(data, size, [&](const uint8_t* from, size_t bytes, int64_t done) {
    return ::pwrite(file_->fd, from, bytes, offset + done);
  });
  if (error == 0) return;
  // What stands there since the last call goes; a failure to cut it off is cut off at the next opening.
  [[maybe_unused]] const int cut = ::ftruncate(file_->fd, size_);
  if (is_full(error))
    fail("DISK_FULL", "cannot write ", file_->path, ": no room for ", size, " bytes of records (",
         text_of(error), "). Earlier records stay usable: free some space and run it again");
  fail_to("write", file_->path, error);
}

std::function<void()> ShardWriter::sync() const {
  return [file = file_] {
    if (file && ::fdatasync(file->fd) != 0) fail_to("sync", file->path, errno);
  };
}

void append_text(const std::string& path, const std::string& text) {
  const OpenFile file(path, O_WRONLY | O_CREAT | O_APPEND);
  const int error =
      write_all(text.data(), static_cast<int64_t>(text.size()),
                [&](const uint8_t* from, size_t bytes, int64_t) { return ::write(file.fd, from, bytes); });
  if (error != 0) fail_to("write", path, error);
}

}  // namespace dinov3_seg
