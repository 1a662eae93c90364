// What the file writers of the core share: limits that raise signals, and errors that mean a full disk.
#pragma once

#include <signal.h>

#include <cerrno>
#include <ctime>

namespace dinov3_seg {

/// Runs `call` with SIGXFSZ blocked. The kernel sends that signal to the writing thread alone, so it can be
/// taken back here without touching the handlers of the process.
template <typename Call>
auto without_sigxfsz(Call call) {
  sigset_t wanted;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGXFSZ);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGXFSZ) == 1;
  pthread_sigmask(SIG_BLOCK, &wanted, &before);
  const auto result = call();
  const int error = errno;
  if (!was_pending) {
    const timespec no_wait{};
    while (sigtimedwait(&wanted, nullptr, &no_wait) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return result;
}

/// What to do about a disk that fails, after the system's words; lib/files.ts says the same.
inline const char* disk_advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ". Free some space and run the command again.";
    case EROFS:
      return ". The disk is mounted read-only. Choose another folder, or mount the disk for writing, and run "
             "the command again.";
    case EIO:
      return ". The disk, or the connection to it, failed. Check the disk, then run the command again.";
    case ESTALE:
      return ". The file server no longer knows this file or folder. Mount the folder again, then run the "
             "command again.";
    case EACCES:
    case EPERM:
      return ". Choose a folder that you may write to, or ask for the permission.";
    default:
      return "";
  }
}

/// Whether a failed write means that the disk, quota or file size limit is reached.
inline bool is_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace dinov3_seg
