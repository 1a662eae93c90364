/*
 * Preloaded (LD_PRELOAD): makes chosen calls that change files fail, as a bad disk would.
 *
 *   FAULTY_DISK=CALL|PART|N|ERRNO|TIMES   the N-th CALL (from 1) of a file whose path contains PART fails, and TIMES in all;
 *                                         0 times: from then on always
 *   FAULTY_DISK=CALL|PART|N|cut|SIZE|PATH  after the N-th call, the file PATH is cut to SIZE bytes
 *   FAULTY_DISK=CALL|PART|N|put|FROM|PATH  after the N-th call, the bytes of the file FROM are written over those of PATH
 *   FAULTY_DISK_LOG=PATH                  gets a line for each call, "CALL\tpath", and "fault\tpath" for each that failed
 *
 * CALL is open (for writing), write, sync, truncate, reserve, rename, link, mkdir, unlink, close (of a file open for writing),
 * map or read (pread); any is all of them but these two. A write that fails for want of room first writes half, as the last one before a full disk does. Opening the path
 * "/faulty-disk/SPEC" changes the fault in a running process, and gives ENOENT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONTROL "/faulty-disk/"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_ready;
static int is_read;  // the environment
static char spec[4096];
static const char *field[6];
static int seen, failed;

/* A sanitizer that is preloaded as well makes calls while it starts, and has taken strncmp and the like already. */
__attribute__((weak)) void __asan_init(void);
__attribute__((weak)) void __tsan_init(void);
__attribute__((constructor)) static void begin(void) {
  if (__asan_init) __asan_init();
  if (__tsan_init) __tsan_init();
  is_ready = 1;
}

static void set_fault(const char *text) {
  memset(field, 0, sizeof field);
  seen = failed = 0;
  strncpy(spec, text, sizeof spec - 1);
  int i = 0;
  for (char *at = spec; *at && i < 6; ++i) {
    field[i] = at;
    at = strchrnul(at, '|');
    if (*at) *at++ = 0;
  }
}

static void say(const char *what, const char *path) {
  const char *log = getenv("FAULTY_DISK_LOG");
  if (!log) return;
  char line[8192];
  const int length = snprintf(line, sizeof line, "%s\t%s\n", what, path);
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return;
  if (syscall(SYS_write, fd, line, length) < 0) abort();
  syscall(SYS_close, fd);
}

/* The errno of a fault that is due; 0: none. `cut` is set where a file is to be cut or overwritten after the call. */
static int due(const char *call, const char *path, int *cut) {
  if (!is_ready) return 0;
  if (!path || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/", 5) == 0) return 0;
  int error = 0;
  pthread_mutex_lock(&mutex);
  if (!is_read) {
    is_read = 1;
    if (getenv("FAULTY_DISK")) set_fault(getenv("FAULTY_DISK"));
  }
  const int is_input = strcmp(call, "map") == 0 || strcmp(call, "read") == 0;
  if (!is_input) say(call, path);
  const int is_call = field[4] && (strcmp(field[0], "any") == 0 ? !is_input : strcmp(field[0], call) == 0);
  if (is_call && strstr(path, field[1]) && ++seen >= atoi(field[2])) {
    if (strcmp(field[3], "cut") == 0 || strcmp(field[3], "put") == 0) {
      *cut = seen == atoi(field[2]);
    } else if (atoi(field[4]) == 0 || failed < atoi(field[4])) {
      ++failed;
      error = atoi(field[3]);
      say("fault", path);
    }
  }
  pthread_mutex_unlock(&mutex);
  return error;
}

static void copy_over(const char *from, const char *to) {
  const int in = (int)syscall(SYS_openat, AT_FDCWD, from, O_RDONLY | O_CLOEXEC);
  const int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CLOEXEC);
  char buffer[65536];
  for (long count; (count = syscall(SYS_read, in, buffer, sizeof buffer)) != 0;)
    if (count < 0 || syscall(SYS_write, out, buffer, count) != count) abort();
  syscall(SYS_close, in);
  syscall(SYS_close, out);
}

static void change_file(void) {
  say("fault", field[5]);
  if (strcmp(field[3], "put") == 0) return copy_over(field[4], field[5]);
  if (syscall(SYS_truncate, field[5], atol(field[4])) != 0) abort();
}

static const char *path_of(int fd, char *buffer) {
  const int saved = errno;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, 4095);
  errno = saved;
  if (length < 0 || buffer[0] != '/') return NULL;
  buffer[length] = 0;
  return buffer;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF_DUE(call, path)            \
  int cut = 0;                             \
  const int error = due(call, path, &cut); \
  if (error) {                             \
    errno = error;                         \
    return -1;                             \
  }
#define GIVE(result)      \
  __typeof__(result) given = result; \
  if (cut) change_file();    \
  return given

#define OPENER(name, ...)                                                         \
  va_list list;                                                                   \
  va_start(list, flags);                                                          \
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(list, mode_t) : 0; \
  va_end(list);                                                                   \
  if (strncmp(path, CONTROL, sizeof CONTROL - 1) == 0) {                          \
    pthread_mutex_lock(&mutex);                                                   \
    is_read = 1;                                                                  \
    set_fault(path + sizeof CONTROL - 1);                                         \
    pthread_mutex_unlock(&mutex);                                                 \
    errno = ENOENT;                                                               \
    return -1;                                                                    \
  }                                                                               \
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) {                     \
    FAIL_IF_DUE("open", path);                                                    \
    GIVE(REAL(name)(__VA_ARGS__));                                                \
  }                                                                               \
  return REAL(name)(__VA_ARGS__)

int open(const char *path, int flags, ...) { OPENER(open, path, flags, mode); }
int open64(const char *path, int flags, ...) { OPENER(open64, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { OPENER(openat, folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { OPENER(openat64, folder, path, flags, mode); }

/* Half of the first buffer fits. */
#define WRITER(name, half, ...)                                  \
  char buffer[4096];                                             \
  int cut = 0;                                                   \
  const int error = due("write", path_of(fd, buffer), &cut);     \
  if (error == ENOSPC && failed == 1 && (half) > 0) return half; \
  if (error) {                                                   \
    errno = error;                                               \
    return -1;                                                   \
  }                                                              \
  GIVE(REAL(name)(__VA_ARGS__))

ssize_t write(int fd, const void *data, size_t size) {
  WRITER(write, syscall(SYS_write, fd, data, size / 2), fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  WRITER(pwrite, syscall(SYS_pwrite64, fd, data, size / 2, at), fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  WRITER(pwrite64, syscall(SYS_pwrite64, fd, data, size / 2, at), fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  WRITER(writev, syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2), fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  WRITER(pwritev, syscall(SYS_pwrite64, fd, parts[0].iov_base, parts[0].iov_len / 2, at), fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  WRITER(pwritev64, syscall(SYS_pwrite64, fd, parts[0].iov_base, parts[0].iov_len / 2, at), fd, parts, count, at);
}

#define OF_DESCRIPTOR(call, name, ...)       \
  char buffer[4096];                         \
  FAIL_IF_DUE(call, path_of(fd, buffer));    \
  GIVE(REAL(name)(__VA_ARGS__))

int fsync(int fd) { OF_DESCRIPTOR("sync", fsync, fd); }
int fdatasync(int fd) { OF_DESCRIPTOR("sync", fdatasync, fd); }
int ftruncate(int fd, off_t size) { OF_DESCRIPTOR("truncate", ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { OF_DESCRIPTOR("truncate", ftruncate64, fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size) { OF_DESCRIPTOR("reserve", fallocate, fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
  OF_DESCRIPTOR("reserve", fallocate64, fd, mode, at, size);
}

int close(int fd) {
  char buffer[4096];
  int cut = 0, error = 0;
  const int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
  if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) error = due("close", path_of(fd, buffer), &cut);
  const int result = REAL(close)(fd);
  if (cut) change_file();
  if (error) errno = error;
  return error ? -1 : result;
}

#define OF_PATH(call, path, name, ...) \
  FAIL_IF_DUE(call, path);             \
  GIVE(REAL(name)(__VA_ARGS__))

int truncate(const char *path, off_t size) { OF_PATH("truncate", path, truncate, path, size); }
int truncate64(const char *path, off64_t size) { OF_PATH("truncate", path, truncate64, path, size); }
int rename(const char *from, const char *to) { OF_PATH("rename", to, rename, from, to); }
int link(const char *from, const char *to) { OF_PATH("link", to, link, from, to); }
int mkdir(const char *path, mode_t mode) { OF_PATH("mkdir", path, mkdir, path, mode); }
int unlink(const char *path) { OF_PATH("unlink", path, unlink, path); }
int rmdir(const char *path) { OF_PATH("unlink", path, rmdir, path); }

/* Only files that are mapped as data, and only to cut them: the loader maps many others. */
#define MAPPER(name, ...)                                                        \
  char buffer[4096];                                                             \
  int cut = 0;                                                                   \
  if (fd >= 0 && !(protection & PROT_EXEC)) due("map", path_of(fd, buffer), &cut); \
  GIVE(REAL(name)(__VA_ARGS__))

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  MAPPER(mmap, at, size, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset) {
  MAPPER(mmap64, at, size, protection, flags, fd, offset);
}

#define READER(name, ...)                  \
  char buffer[4096];                       \
  int cut = 0;                             \
  due("read", path_of(fd, buffer), &cut);  \
  GIVE(REAL(name)(__VA_ARGS__))

ssize_t pread(int fd, void *data, size_t size, off_t at) { READER(pread, fd, data, size, at); }
ssize_t pread64(int fd, void *data, size_t size, off64_t at) { READER(pread64, fd, data, size, at); }
