// A file as libtorch's archive reader asks for it.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <cstdint>
#include <map>
#include <string>

#include "core/regular_file.h"

namespace dinov3_seg {

/// Reads in blocks of 16 MiB, between which the job can be stopped; reports bytes read of the file's size.
/// Throws FILE_NOT_FOUND, IO, ABORTED.
class FileSource : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit FileSource(const std::string& path) : file_(path) {}

  const std::string& path() const noexcept { return file_.path(); }
  std::size_t size() const override { return file_.size(); }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t bytes, const char* what) const override;

  /// Whether what read() reads from now on is kept. Kept bytes are given again as they were, whatever has
  /// become of the file.
  void keep_reads(bool keeps) { keeps_ = keeps; }

  /// Reads exactly `bytes` of the file as it is, and reports nothing; for any thread. IO where the file ends
  /// before.
  void read_all(std::uint64_t position, void* buffer, std::size_t bytes) const;
  /// Counts bytes that were read by read_all.
  void report(std::size_t bytes) const;

 private:
  /// Kept bytes from `position` on; where there are none, 0, and `bytes` ends before the next ones.
  std::size_t copy_kept(std::uint64_t position, char* buffer, std::size_t& bytes) const;
  std::size_t read_some(std::uint64_t position, void* buffer, std::size_t bytes) const;
  [[noreturn]] void fail_early_end() const;

  RegularFile file_;
  bool keeps_ = false;
  mutable std::map<std::uint64_t, std::string> kept_;  // by where they begin; none overlap
  mutable std::size_t read_ = 0;
};

}  // namespace dinov3_seg
