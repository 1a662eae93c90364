#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "error.h"

namespace dinov3_seg {
namespace {

std::string errno_text(int error) { return std::generic_category().message(error); }

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe for reading would otherwise wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    const int error = errno;
    const bool absent = error == ENOENT || error == ENOTDIR || error == EACCES;
    fail(absent ? "FILE_NOT_FOUND" : "IO", "cannot open ", path, ": ", errno_text(error));
  }
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) fail("IO", "cannot read the size of ", path, ": ", errno_text(errno));
  if (S_ISDIR(info.st_mode)) fail("IO", path, " is a folder; expected a checkpoint file");
  if (!S_ISREG(info.st_mode)) fail("IO", path, " is not a regular file, so it cannot be mapped into memory");

  const auto size = static_cast<std::size_t>(info.st_size);
  std::uint8_t* data = nullptr;
  if (size > 0) {
    // MAP_NORESERVE: a writable private mapping larger than the memory would otherwise be refused.
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.fd, 0);
    if (address == MAP_FAILED) {
      fail("IO", "cannot map ", path, " (", size, " bytes) into memory: ", errno_text(errno));
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
