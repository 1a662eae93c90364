#include "mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "error.h"
#include "regular_file.h"

namespace dinov3_seg {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  const RegularFile file(path);
  const auto size = static_cast<std::size_t>(file.size());
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
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::MappedFile(std::string path, std::uint8_t* data, std::size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace dinov3_seg
