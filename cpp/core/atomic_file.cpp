#include "atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "error.h"
#include "file_write.h"
#include "job_control.h"
#include "job_inputs.h"

namespace dinov3_seg {
namespace {

/// The file that a write to `path` changes: symbolic links followed.
std::string resolve(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return path;
  if (S_ISDIR(info.st_mode)) fail("IO", "cannot write ", path, ": it is a folder");
  if (!S_ISREG(info.st_mode)) {
    fail("IO", "cannot write ", path, ": it is not a regular file, and writing would replace it");
  }
  std::error_code error;
  const auto target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

/// The kernel says EFAULT where a thread would get SIGBUS: reads the bytes so that the mapped file knows.
void touch_pages(const char* bytes, std::size_t size) {
  constexpr std::size_t least_page = 4096;
  [[maybe_unused]] volatile char last = 0;
  for (std::size_t i = 0; i < size; i += least_page) last = bytes[i];
  last = bytes[size - 1];
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, std::uint64_t expected_bytes)
    : path_(resolve(path)), expected_(expected_bytes) {
  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = path_ + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd_ < 0 && (errno == EEXIST || errno == EINTR));
  if (fd_ < 0) fail_with(errno, "create", expected_bytes);
  try {
    require_space(expected_bytes);
    reserve(expected_bytes);
  } catch (...) {
    discard();
    throw;
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::require_space(std::uint64_t bytes) {
  struct statvfs disk{};
  // Where the file system does not tell, writing shows whether there is room.
  if (bytes == 0 || ::fstatvfs(fd_, &disk) != 0 || disk.f_blocks == 0) return;
  const auto free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (bytes <= free) return;
  fail("DISK_FULL", "cannot write ", path_, ": it needs ", bytes, " bytes, but ", free,
       " are free on its disk. Nothing was written; free space, choose another place, or make the file "
       "smaller "
       "where that can be chosen (--dtype bfloat16)");
}

void AtomicFile::reserve(std::uint64_t bytes) {
#ifdef __linux__
  if (bytes == 0) return;
  const int result =
      without_sigxfsz([&] { return ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)); });
  // Other errors mean that the file system cannot reserve; writing tells whether there is room.
  if (result != 0 && is_full(errno)) fail_with(errno, "reserve", bytes);
#endif
}

void AtomicFile::write(const void* data, std::size_t size) {
  constexpr std::size_t largest = std::size_t{16} << 20;  // between two looks at the job's flag
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    check_cancelled();
    const auto count = without_sigxfsz([&] { return ::write(fd_, bytes, std::min(size, largest)); });
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EFAULT) {
      touch_pages(bytes, std::min(size, largest));
      check_job_inputs();
      errno = EFAULT;
    }
    if (count <= 0)
      fail_with(count < 0 ? errno : ENOSPC, "write", std::max<std::uint64_t>(expected_, written_ + size));
    bytes += count;
    size -= static_cast<std::size_t>(count);
    written_ += static_cast<std::uint64_t>(count);
    report_progress(written_, std::max(expected_, written_));
  }
}

std::function<std::size_t(const void*, std::size_t)> AtomicFile::writer() {
  return [this](const void* data, std::size_t size) {
    if (error_ != nullptr) return size;
    try {
      write(data, size);
    } catch (...) {
      error_ = std::current_exception();
      throw;
    }
    return size;
  };
}

void AtomicFile::commit() {
  if (error_ != nullptr) std::rethrow_exception(error_);
  if (fd_ < 0) fail("INTERNAL", "AtomicFile::commit called twice for ", path_);
  // What was reserved but not written goes back.
  if (expected_ > written_ && ::ftruncate(fd_, static_cast<off_t>(written_)) != 0)
    fail_with(errno, "shorten", written_);
  if (::fsync(fd_) != 0) fail_with(errno, "sync", written_);
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0 && errno != EINTR) fail_with(errno, "close", written_);
  shield_job();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with(errno, "rename", written_);
  temporary_.clear();
  report_progress(written_, written_);

  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;  // a folder that may be written but not read cannot be synced; the file itself is
  const int synced = ::fsync(folder);
  const int error = errno;
  ::close(folder);
  if (synced != 0 && error != EINVAL && error != ENOTSUP) {
    fail("IO", path_,
         " is written, but its folder cannot be synced: ", std::generic_category().message(error),
         disk_advice(error));
  }
}

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail_with(int error, const char* doing, std::uint64_t bytes) const {
  const auto text = std::generic_category().message(error);
  if (is_full(error)) {
    fail("DISK_FULL", "cannot write ", path_, ": no room for ", bytes, " bytes (", text,
         "). Nothing was written; free space or choose another place");
  }
  if (error == ENOENT || error == ENOTDIR) {
    fail("FILE_NOT_FOUND", "cannot write ", path_, ": the folder ", folder_of(path_),
         " does not exist; create it first");
  }
  fail("IO", "cannot ", doing, " ", temporary_.empty() ? path_ : temporary_, ": ", text, disk_advice(error));
}

}  // namespace dinov3_seg
