#include "models/file_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "core/error.h"
#include "core/job_control.h"

namespace dinov3_seg {
namespace {

// Bytes between two looks at the job's flag.
constexpr std::size_t step_bytes = std::size_t{16} << 20;

}  // namespace

std::size_t FileSource::read(std::uint64_t position, void* buffer, std::size_t bytes, const char*) const {
  std::size_t done = 0;
  while (done < bytes) {
    check_cancelled();
    const std::uint64_t at = position + done;
    char* const to = static_cast<char*>(buffer) + done;
    std::size_t most = std::min(bytes - done, step_bytes);
    if (const std::size_t known = copy_kept(at, to, most)) {
      done += known;
      continue;
    }
    const std::size_t count = read_some(at, to, most);
    if (count == 0 && at < size()) fail_early_end();
    if (count == 0) break;
    if (keeps_) kept_.emplace(at, std::string(to, count));
    done += count;
    report(count);
  }
  return done;
}

std::size_t FileSource::copy_kept(std::uint64_t position, char* buffer, std::size_t& bytes) const {
  const auto after = kept_.upper_bound(position);
  if (after != kept_.begin()) {
    const auto& [begin, kept] = *std::prev(after);
    if (position - begin < kept.size()) return kept.copy(buffer, bytes, position - begin);
  }
  if (after != kept_.end()) bytes = std::min<std::uint64_t>(bytes, after->first - position);
  return 0;
}

void FileSource::read_all(std::uint64_t position, void* buffer, std::size_t bytes) const {
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t count = read_some(position + done, static_cast<char*>(buffer) + done, bytes - done);
    if (count == 0) fail_early_end();
    done += count;
  }
}

void FileSource::report(std::size_t bytes) const {
  read_ = std::min(size(), read_ + bytes);
  report_progress(read_, size());
}

void FileSource::fail_early_end() const {
  fail("IO", file_.path(),
       " ends early: it was cut short while it was read. Copy it again, and load it again");
}

std::size_t FileSource::read_some(std::uint64_t position, void* buffer, std::size_t bytes) const {
  while (true) {
    const ssize_t count = ::pread(file_.descriptor(), buffer, bytes, static_cast<off_t>(position));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) file_.fail_with(errno);
  }
}

}  // namespace dinov3_seg
