#include "models/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/job_control.h"

namespace dinov3_seg {
namespace {

// Bytes between two looks at the job's flag.
constexpr std::size_t step_bytes = std::size_t{16} << 20;

}  // namespace

FileSource::FileSource(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) fail_with(errno);
  struct stat info{};
  if (::fstat(fd_, &info) != 0) {
    const int error = errno;
    ::close(fd_);
    fail_with(error);
  }
  size_ = static_cast<std::size_t>(info.st_size);
}

FileSource::~FileSource() { ::close(fd_); }

std::size_t FileSource::read(std::uint64_t position, void* buffer, std::size_t bytes, const char*) const {
  std::size_t done = 0;
  while (done < bytes) {
    check_cancelled();
    const std::size_t count =
        read_some(position + done, static_cast<char*>(buffer) + done, std::min(bytes - done, step_bytes));
    if (count == 0 && position + done < size_) fail_early_end();
    if (count == 0) break;
    done += count;
    report(count);
  }
  return done;
}

void FileSource::read_all(std::uint64_t position, void* buffer, std::size_t bytes) const {
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t count = read_some(position + done, static_cast<char*>(buffer) + done, bytes - done);
    if (count == 0) fail_early_end();
    done += count;
  }
}

void FileSource::report(std::size_t bytes) const {
  read_ = std::min(size_, read_ + bytes);
  report_progress(read_, size_);
}

std::size_t FileSource::read_some(std::uint64_t position, void* buffer, std::size_t bytes) const {
  while (true) {
    const ssize_t count = ::pread(fd_, buffer, bytes, static_cast<off_t>(position));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) fail_with(errno);
  }
}

void FileSource::fail_early_end() const {
  fail("IO", path_, " ends early: it was cut short while it was read. Copy it again, and load it again");
}

void FileSource::fail_with(int error) const {
  fail(error == ENOENT || error == EACCES || error == ENOTDIR ? "FILE_NOT_FOUND" : "IO", path_,
       " cannot be read: ", std::generic_category().message(error));
}

}  // namespace dinov3_seg
