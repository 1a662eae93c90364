// Writing a file so that it is there whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>

namespace dinov3_seg {

/// Writes to a temporary file `<path>.tmp-<pid>-<n>` beside the target and renames it over the target in
/// `commit`. Until then a file that was at `path` before stays as it is; without `commit` the destructor
/// removes the temporary.
///
/// A full disk (ENOSPC), quota (EDQUOT) or file size limit (EFBIG) throws DISK_FULL, anything else IO, a
/// missing folder FILE_NOT_FOUND. SIGXFSZ, which a file size limit raises, does not end the process: it is
/// blocked in the calling thread during each system call and taken back. For one thread at a time. In a job,
/// writing throws ABORTED when the job is stopped, and reports bytes written of `expected_bytes`.
class AtomicFile {
 public:
  /// `expected_bytes`: compared with what is free, and reserved on the disk at once where the file system
  /// can, so that a full disk shows before anything is computed or written; 0 if the size is not known. A
  /// symbolic link is followed.
  explicit AtomicFile(const std::string& path, std::uint64_t expected_bytes = 0);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);

  /// For torch's serialiser, whose writer writes again while it is being destroyed: the first error is
  /// thrown, so that the work ends there, and what comes after it is dropped. The archive's end must be
  /// written before the writer is destroyed, after an error too, since an error there would end the process.
  /// `commit` throws the error again. Valid as long as this object.
  std::function<std::size_t(const void*, std::size_t)> writer();

  /// Syncs the file, renames it to the target and syncs the folder. From the renaming on the calling thread's
  /// job cannot be stopped any more. Throws what `writer` threw.
  void commit();

 private:
  [[noreturn]] void fail_with(int error, const char* doing, std::uint64_t bytes) const;
  void require_space(std::uint64_t bytes);
  void reserve(std::uint64_t bytes);
  void discard() noexcept;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  std::uint64_t written_ = 0;
  std::uint64_t expected_ = 0;
  std::exception_ptr error_;
};

}  // namespace dinov3_seg
