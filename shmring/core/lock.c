#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failure.h"
#include "portable.h"
#include "ringbus_host.h"

/* Each attempt fails only when somebody removed the file between our open and our flock. Nobody should, so
 * one attempt nearly always does; past this many somebody removes it in a loop, and ESTALE says so. */
#define LOCK_ATTEMPTS_MAX 16

/* The decimal digits of the largest pid_t, a newline and the final NUL, with room to spare. */
#define PID_TEXT_BYTES_MAX 24

/* Inside this file only: the locked file has lost its name, so its lock excludes nobody. */
#define LOCK_FILE_REPLACED 100

static pid_t read_holder(int fd) {
  char text[PID_TEXT_BYTES_MAX];
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = '\0';
  const char *end;
  uint64_t pid = portable_decimal(text, &end);
  /* Without its newline the text is not the holder's, or only a part of it. */
  if (end == text || *end != '\n' || pid > INT_MAX) return 0;
  return (pid_t)pid;
}

/* Emptied first, so that a reader between the two calls finds nothing rather than a mixture of two numbers. */
static int write_holder(int fd, const char **failed_call) {
  if (ftruncate(fd, 0) != 0) return failure("ftruncate", failed_call);
  char text[PID_TEXT_BYTES_MAX];
  int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  ssize_t written = pwrite(fd, text, (size_t)length, 0);
  if (written < 0) return failure("pwrite", failed_call);
  if (written == length) return 0;
  *failed_call = "pwrite";
  return RINGBUS_ENOSPC;
}

static int lock_open_file(struct ringbus_lock *lock, int fd, const char **failed_call) {
  struct stat status;
  if (portable_fstat(fd, &status) != 0) return failure("fstat", failed_call);
  /* A hard link could make us overwrite a file that belongs to someone else's purpose. */
  if (!S_ISREG(status.st_mode) || status.st_nlink > 1) {
    *failed_call = "fstat";
    return RINGBUS_EINVAL;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failure("flock", failed_call);
    lock->holder_pid = read_holder(fd);
    return RINGBUS_HELD;
  }
  if (portable_fstat(fd, &status) != 0) return failure("fstat", failed_call);
  if (status.st_nlink == 0) return LOCK_FILE_REPLACED;
  return write_holder(fd, failed_call);
}

static int try_lock(const char *path, struct ringbus_lock *lock, const char **failed_call) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failure("open", failed_call);
  int result = lock_open_file(lock, fd, failed_call);
  if (result == 0)
    lock->fd = fd;
  else
    close(fd);
  return result;
}

int ringbus_lock_acquire(const char *path, struct ringbus_lock *lock, const char **failed_call) {
  lock->fd = -1;
  lock->holder_pid = 0;
  for (int attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt++) {
    int result = try_lock(path, lock, failed_call);
    if (result != LOCK_FILE_REPLACED) return result;
  }
  *failed_call = "fstat";
  return RINGBUS_ESTALE;
}

int ringbus_lock_release(int fd, const char **failed_call) {
  /* Interrupted or not, Linux and macOS have freed the descriptor: to repeat the call could close another. */
  if (close(fd) != 0 && errno != EINTR) return failure("close", failed_call);
  return 0;
}
