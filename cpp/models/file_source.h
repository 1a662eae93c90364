// A file as libtorch's archive reader asks for it.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <cstdint>
#include <string>

#include "core/regular_file.h"

namespace dinov3_seg {

/// Reads in blocks of 16 MiB, between which the job can be stopped; reports bytes read of the file's size.
/// Throws FILE_NOT_FOUND, IO, ABORTED.
class FileSource : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit FileSource(const std::string& path) : file_(path) {}

  std::size_t size() const override { return file_.size(); }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t bytes, const char* what) const override;

  /// Reads exactly `bytes` and reports nothing; for any thread. IO where the file ends before.
  void read_all(std::uint64_t position, void* buffer, std::size_t bytes) const;
  /// Counts bytes that were read by read_all.
  void report(std::size_t bytes) const;

 private:
  std::size_t read_some(std::uint64_t position, void* buffer, std::size_t bytes) const;
  [[noreturn]] void fail_early_end() const;

  RegularFile file_;
  mutable std::size_t read_ = 0;
};

}  // namespace dinov3_seg
