#include "core/regular_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

RegularFile::RegularFile(std::string path)
    // O_NONBLOCK: opening a pipe for reading would otherwise wait for a writer.
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
  // A socket cannot be opened at all: ENXIO.
  if (fd_ < 0) fail_with(errno);
  const bool known = ::fstat(fd_, &status_) == 0;
  const int error = errno;
  if (known && S_ISREG(status_.st_mode)) return;
  ::close(fd_);
  if (!known) fail_with(error);
  if (S_ISDIR(status_.st_mode)) fail("IO", path_, " is a folder; expected a file");
  fail("IO", path_, " is not a regular file, but ", kind_of(status_.st_mode),
       ". Copy the data to a file first");
}

RegularFile::~RegularFile() { ::close(fd_); }

void RegularFile::fail_with(int error) const {
  const bool absent = error == ENOENT || error == EACCES || error == ENOTDIR;
  fail(absent ? "FILE_NOT_FOUND" : "IO", path_, " cannot be read: ", std::generic_category().message(error));
}

}  // namespace dinov3_seg
