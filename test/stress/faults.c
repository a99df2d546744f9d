// Preloaded into a run: counts its calls that change files below FAULT_ROOT, and makes one of them the last, or one that fails.
//   FAULT_ROOT=FOLDER FAULT_COUNT=FILE [FAULT=KIND FAULT_AT=N [FAULT_ERRNO=ENOSPC|EIO|EROFS]]
// KIND is kill: SIGKILL before call N; after: behind it; torn: behind half of its bytes, where it writes; fail: call N fails; full: so
// does every later one that writes; fill: as full, but call N writes half of its bytes; refuse: call N and every later one fail;
// clock: from call N on the clock shows an hour less. FAULT_COUNT gets the number of calls so far, of all processes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t *count;
static const char *root;
static size_t root_length;
static uint64_t at;
static enum { NONE, KILL, AFTER, TORN, FAIL, FULL, FILL, REFUSE_ALL, CLOCK, KINDS } fault;
static int fault_errno = ENOSPC;

__attribute__((constructor)) static void begin(void) {
  root = getenv("FAULT_ROOT");
  const char *file = getenv("FAULT_COUNT"), *kind = getenv("FAULT"), *place = getenv("FAULT_AT"), *error = getenv("FAULT_ERRNO");
  if (!root || !file) return;
  root_length = strlen(root);
  static const char *const kinds[KINDS] = {"none", "kill", "after", "torn", "fail", "full", "fill", "refuse", "clock"};
  for (int i = 1; kind && i < KINDS; ++i)
    if (!strcmp(kind, kinds[i])) fault = i;
  at = place ? strtoull(place, NULL, 10) : 0;
  if (error && !strcmp(error, "EIO")) fault_errno = EIO;
  if (error && !strcmp(error, "EROFS")) fault_errno = EROFS;
  const int fd = open(file, O_RDWR | O_CLOEXEC);
  void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) abort();
  close(fd);
  count = map;
}

static int is_below_root(const char *path) { return !strncmp(path, root, root_length); }

static int is_ours(int fd) {
  if (!count) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below_root(path);
}

static int is_path_ours(const char *path) { return count && path && is_below_root(path); }

enum verdict { GO_ON, REFUSE, SHORT, HALF, LAST };

// Decides the next call. `writes` is true where it needs room on the disk.
static enum verdict next(int writes) {
  const uint64_t own = atomic_fetch_add(count, 1) + 1;
  if (own >= at && (fault == REFUSE_ALL || (fault == FULL && writes))) return REFUSE;
  if (own > at && fault == FILL && writes) return REFUSE;
  if (own != at) return GO_ON;
  switch (fault) {
    case KILL:
      raise(SIGKILL);
      return GO_ON;
    case AFTER:
      return LAST;
    case TORN:
      return HALF;
    case FAIL:
      return REFUSE;
    case FILL:
      return SHORT;
    default:
      return GO_ON;
  }
}

// Makes a call fail that has no bytes to halve.
#define REFUSED (errno = fault_errno, -1)

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

// The body of a call that has `ours`, fails with -1, and after which a process may have to die.
#define CALL(ours, writes, half, call)                       \
  do {                                                       \
    if (!(ours)) return call;                                \
    const enum verdict verdict = next(writes);               \
    if (verdict == REFUSE) {                                 \
      errno = fault_errno;                                   \
      return -1;                                             \
    }                                                        \
    if (verdict == SHORT && writes) return half;             \
    if (verdict == HALF) {                                   \
      half;                                                  \
      raise(SIGKILL);                                        \
    }                                                        \
    __typeof__(call) result = call;                          \
    if (verdict == LAST) raise(SIGKILL);                     \
    return result;                                           \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  CALL(is_ours(fd), 1, real(fd, bytes, size / 2), real(fd, bytes, size));
}

#define PWRITE(name, offset_type)                                                                      \
  ssize_t name(int fd, const void *bytes, size_t size, offset_type place) {                            \
    REAL(name);                                                                                        \
    CALL(is_ours(fd), 1, real(fd, bytes, size / 2, place), real(fd, bytes, size, place));              \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *pieces, int pieces_count) {
  REAL(writev);
  CALL(is_ours(fd), 1, real(fd, pieces, (pieces_count + 1) / 2), real(fd, pieces, pieces_count));
}

#define PWRITEV(name, offset_type)                                                                            \
  ssize_t name(int fd, const struct iovec *pieces, int pieces_count, offset_type place) {                     \
    REAL(name);                                                                                               \
    CALL(is_ours(fd), 1, real(fd, pieces, (pieces_count + 1) / 2, place), real(fd, pieces, pieces_count, place)); \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define OF_FD(name)                             \
  int name(int fd) {                            \
    REAL(name);                                 \
    CALL(is_ours(fd), 1, REFUSED, real(fd));    \
  }
OF_FD(fsync)
OF_FD(fdatasync)

#define TRUNCATE(name, offset_type)                       \
  int name(int fd, offset_type size) {                    \
    REAL(name);                                           \
    CALL(is_ours(fd), 0, REFUSED, real(fd, size));        \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define OF_TWO_PATHS(name, writes)                                   \
  int name(const char *from, const char *to) {                       \
    REAL(name);                                                      \
    CALL(is_path_ours(to), writes, REFUSED, real(from, to));         \
  }
OF_TWO_PATHS(rename, 0)
OF_TWO_PATHS(link, 1)

#define OF_PATH(name)                                     \
  int name(const char *path) {                            \
    REAL(name);                                           \
    CALL(is_path_ours(path), 0, REFUSED, real(path));     \
  }
OF_PATH(unlink)
OF_PATH(rmdir)

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  CALL(is_path_ours(path), 1, REFUSED, real(path, mode));
}

// Opening counts where it may make a file.
#define OPEN(name)                                                                            \
  int name(const char *path, int flags, ...) {                                                \
    REAL(name);                                                                               \
    mode_t mode = 0;                                                                          \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                      \
      va_list rest;                                                                           \
      va_start(rest, flags);                                                                  \
      mode = va_arg(rest, mode_t);                                                            \
      va_end(rest);                                                                           \
    }                                                                                         \
    CALL((flags & O_CREAT) && is_path_ours(path), 1, REFUSED, real(path, flags, mode));       \
  }
OPEN(open)
OPEN(open64)

// --- The clock ---

static int is_late(clockid_t id) {
  return fault == CLOCK && id == CLOCK_REALTIME && count && atomic_load(count) >= at;
}

int clock_gettime(clockid_t id, struct timespec *now) {
  REAL(clock_gettime);
  const int result = real(id, now);
  if (!result && is_late(id)) now->tv_sec -= 3600;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(gettimeofday);
  const int result = real(now, zone);
  if (!result && is_late(CLOCK_REALTIME)) now->tv_sec -= 3600;
  return result;
}
