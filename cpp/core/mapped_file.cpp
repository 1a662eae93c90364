#include "mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "error.h"
#include "job_inputs.h"
#include "regular_file.h"

namespace dinov3_seg {
namespace {

/// The mapped files, by where they begin.
struct MappedFiles {
  std::mutex mutex;
  std::map<const std::uint8_t*, std::weak_ptr<const MappedFile>> by_begin;
};

MappedFiles& mapped_files() {
  static auto* files = new MappedFiles;  // files are unmapped until the very end of the process
  return *files;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path, std::uint64_t most_bytes) {
  const RegularFile file(path);
  const auto size = static_cast<std::size_t>(std::min(file.size(), most_bytes));
  std::uint8_t* data = nullptr;
  if (size > 0) {
    // MAP_NORESERVE: a writable private mapping larger than the memory would otherwise be refused.
    void* address =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.descriptor(), 0);
    if (address == MAP_FAILED) {
      fail("IO", "cannot map ", path, " (", size,
           " bytes) into memory: ", std::generic_category().message(errno));
    }
    data = static_cast<std::uint8_t*>(address);
  }
  const Identity identity{file.status().st_dev, file.status().st_ino};
  const std::shared_ptr<const MappedFile> mapped(new MappedFile(path, data, size, identity));
  if (data != nullptr) {
    const std::lock_guard lock(mapped_files().mutex);
    mapped_files().by_begin[data] = mapped;
  }
  add_job_input(mapped);
  return mapped;
}

MappedFile::MappedFile(std::string path, std::uint8_t* data, std::size_t size, Identity identity)
    : path_(std::move(path)), data_(data), size_(size), identity_(identity) {
  if (data_ != nullptr) guard_.emplace(data_, size_);
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  {
    // Before the addresses are free for another file.
    const std::lock_guard lock(mapped_files().mutex);
    mapped_files().by_begin.erase(data_);
  }
  guard_.reset();
  ::munmap(data_, size_);
}

std::string MappedFile::damage() const {
  struct stat now{};
  // Another file that took its name by a rename leaves this one as it was.
  const bool is_same =
      ::stat(path_.c_str(), &now) == 0 && now.st_dev == identity_.device && now.st_ino == identity_.number;
  const auto size = static_cast<std::uint64_t>(now.st_size);
  constexpr auto advice =
      " Nothing that was computed from it is kept. Let whoever writes the file finish, or copy it again, and "
      "run the command again.";
  if (is_same && size < size_)
    return path_ + " was cut short while it was read: it had " + std::to_string(size_) + " bytes and has " +
           std::to_string(size) + " now." + advice;
  if (faulted())
    return path_ + " could not be read to its end: it was cut short meanwhile, or its disk failed." + advice;
  return {};
}

std::shared_ptr<const MappedFile> MappedFile::holding(const void* address) {
  const auto* byte = static_cast<const std::uint8_t*>(address);
  std::shared_ptr<const MappedFile> file;  // outlives the lock, which its destructor takes
  const std::lock_guard lock(mapped_files().mutex);
  auto after = mapped_files().by_begin.upper_bound(byte);
  if (after == mapped_files().by_begin.begin()) return nullptr;
  file = std::prev(after)->second.lock();
  if (!file || byte >= file->data_ + file->size_) return nullptr;
  return file;
}

}  // namespace dinov3_seg
