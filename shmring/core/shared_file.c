#ifdef __linux__
#define _GNU_SOURCE
#include "shared_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failure.h"
#include "portable.h"
#include "ringbus_host.h"
#include "seals.h"

/* Linux 6.3; older C libraries do not name it, and older kernels refuse it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int create_file(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return fd;
  return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int shape_file(int fd, uint64_t bytes, const char **failed_call) {
  if (fchmod(fd, 0600) != 0) return failure("fchmod", failed_call);
  if (ftruncate(fd, (off_t)bytes) != 0) return failure("ftruncate", failed_call);
  return fcntl(fd, F_ADD_SEALS, SIZE_SEALS) == 0 ? 0 : failure("fcntl", failed_call);
}

int shared_file_create(const char *name, uint64_t bytes, const char **failed_call) {
  int fd = create_file(name);
  if (fd < 0) return failure("memfd_create", failed_call);
  int result = shape_file(fd, bytes, failed_call);
  if (result == 0) return fd;
  close(fd);
  return result;
}

int shared_file_allocate(int fd, uint64_t offset, uint64_t bytes, const char **failed_call) {
  int result;
  do {
    result = fallocate(fd, 0, (off_t)offset, (off_t)bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : failure("fallocate", failed_call);
}

int shared_file_check(int fd, uint64_t bytes, const char **failed_call) {
  struct stat status;
  if (portable_fstat(fd, &status) != 0) return failure("fstat", failed_call);
  bool is_size = status.st_size >= 0 && (uint64_t)status.st_size == bytes;
  return is_size ? check_seals(fd, SIZE_SEALS, failed_call) : refusal(-EBADMSG, "fstat", failed_call);
}

void *shared_file_map(int fd, size_t length, int protection, off_t offset, const char **failed_call) {
  void *map = mmap(NULL, length, protection, MAP_SHARED, fd, offset);
  if (map == MAP_FAILED) {
    *failed_call = "mmap";
    return NULL;
  }
  if (madvise(map, length, MADV_DONTFORK) == 0) return map;
  int reason = errno;
  munmap(map, length);
  errno = reason;
  *failed_call = "madvise";
  return NULL;
}

int shared_file_send(int fd, int socket_fd, const void *bytes, size_t length, size_t *sent,
                     const char **failed_call) {
  *sent = 0;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {.space = {0}};
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  ssize_t result;
  do {
    result = sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (result < 0 && errno == EINTR);
  if (result >= 0) *sent = (size_t)result;
  if (result >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
  if (errno == EPIPE || errno == ECONNRESET) return RINGBUS_PEER_GONE;
  return failure("sendmsg", failed_call);
}
#endif
