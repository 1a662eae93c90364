// The one place that opens files of a person for reading.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace dinov3_seg {

/// A regular file, open for reading. Pipes, devices and sockets, which could wait or go on without end, are
/// refused before anything is read.
class RegularFile {
 public:
  /// Throws FILE_NOT_FOUND if there is no such file or it may not be read, IO if it is a folder or something
  /// else than a regular file.
  explicit RegularFile(std::string path);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  int descriptor() const noexcept { return fd_; }
  /// When it was opened.
  const struct stat& status() const noexcept { return status_; }
  /// In bytes, when it was opened.
  std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status_.st_size); }

  /// Throws FILE_NOT_FOUND or IO for an errno.
  [[noreturn]] void fail_with(int error) const;

 private:
  std::string path_;
  int fd_;
  struct stat status_{};
};

}  // namespace dinov3_seg
