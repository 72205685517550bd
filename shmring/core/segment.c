#ifdef __linux__
#define _GNU_SOURCE
#include "ringbus_segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "failure.h"
#include "portable.h"
#include "ringbus_host.h"
#include "ringbus_kill_point.h"
#include "ringbus_layout.h"
#include "seals.h"

/* Linux 6.3; older C libraries do not name it, and older kernels refuse it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* "/proc/self/fd/" and the digits of an int. */
#define FD_PATH_BYTES_MAX 32

bool ringbus_is_data_size(uint64_t data_bytes) {
  return data_bytes > 0 && data_bytes <= RINGBUS_DATA_BYTES_MAX && data_bytes % RINGBUS_DATA_BYTES_STEP == 0;
}

static int create_file(void) {
  int fd = memfd_create("ringbus-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return fd;
  return memfd_create("ringbus-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/* The control area gets its memory at once: so what lies beyond it in the file is the data area's alone, and
 * the broker never waits for a page of it. */
static int shape_file(int fd, uint64_t data_bytes, const char **failed_call) {
  if (fchmod(fd, 0600) != 0) return failure("fchmod", failed_call);
  if (ftruncate(fd, (off_t)(RINGBUS_CONTROL_BYTES + data_bytes)) != 0) return failure("ftruncate", failed_call);
  if (fcntl(fd, F_ADD_SEALS, SIZE_SEALS) != 0) return failure("fcntl", failed_call);
  int result;
  do {
    result = fallocate(fd, 0, 0, RINGBUS_CONTROL_BYTES);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : failure("fallocate", failed_call);
}

static int map_control(struct ringbus_segment *segment, const char **failed_call) {
  void *map = mmap(NULL, RINGBUS_CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, segment->writable.fd, 0);
  if (map == MAP_FAILED) return failure("mmap", failed_call);
  segment->control = map;
  if (madvise(map, RINGBUS_CONTROL_BYTES, MADV_DONTFORK) != 0) return failure("madvise", failed_call);
  ringbus_control_init(segment->control, (uint32_t)(segment->data_bytes / RINGBUS_GRANULE_BYTES));
  return 0;
}

int ringbus_segment_create(struct ringbus_segment *segment, uint64_t data_bytes, const char **failed_call) {
  *segment = (struct ringbus_segment){.writable = {.fd = -1}, .read_only = {.fd = -1}};
  if (!ringbus_is_data_size(data_bytes)) return refusal(-EINVAL, "memfd_create", failed_call);
  int fd = create_file();
  if (fd < 0) return failure("memfd_create", failed_call);
  descriptor_keep(&segment->writable, fd);
  segment->data_bytes = data_bytes;
  int result = shape_file(fd, data_bytes, failed_call);
  if (result == 0) result = map_control(segment, failed_call);
  if (result < 0)
    ringbus_segment_close(segment);
  else
    ringbus_kill_point("broker:segment-created");
  return result;
}

/* A second way to the same file, since the mode of the first cannot be lowered. */
static int open_read_only(struct ringbus_segment *segment, const char **failed_call) {
  char path[FD_PATH_BYTES_MAX];
  snprintf(path, sizeof path, "/proc/self/fd/%d", segment->writable.fd);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failure("open", failed_call);
  descriptor_keep(&segment->read_only, fd);
  return 0;
}

int ringbus_segment_seal(struct ringbus_segment *segment, const char **failed_call) {
  if (segment->writable.fd < 0) return refusal(-EPERM, "fcntl", failed_call);
  ringbus_kill_point("broker:before-seal");
  if (fcntl(segment->writable.fd, F_ADD_SEALS, WRITE_SEALS) != 0) return failure("fcntl", failed_call);
  int result = check_seals(segment->writable.fd, SIZE_SEALS | WRITE_SEALS, failed_call);
  if (result == 0) result = open_read_only(segment, failed_call);
  if (result < 0) return result;
  descriptor_close(&segment->writable);
  ringbus_kill_point("broker:sealed");
  return 0;
}

int ringbus_segment_send(const struct ringbus_segment *segment, int socket_fd, const void *bytes,
                         size_t length, bool writable, size_t *sent, const char **failed_call) {
  *sent = 0;
  int fd = writable ? segment->writable.fd : segment->read_only.fd;
  if (fd < 0) return refusal(-EPERM, "sendmsg", failed_call);
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

static int descriptor_of(const struct ringbus_segment *segment) {
  return segment->read_only.fd >= 0 ? segment->read_only.fd : segment->writable.fd;
}

int ringbus_segment_read(const struct ringbus_segment *segment, uint64_t offset, void *target, size_t length,
                         const char **failed_call) {
  if (offset > segment->data_bytes || length > segment->data_bytes - offset)
    return refusal(-EINVAL, "pread", failed_call);
  for (size_t done = 0; done < length;) {
    off_t place = (off_t)(RINGBUS_CONTROL_BYTES + offset + done);
    ssize_t result = pread(descriptor_of(segment), (char *)target + done, length - done, place);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return failure("pread", failed_call);
    /* The size is sealed, so a file cannot end before its end. */
    if (result == 0) return refusal(-EIO, "pread", failed_call);
    done += (size_t)result;
  }
  return 0;
}

int ringbus_segment_reserved(const struct ringbus_segment *segment, uint64_t *bytes, const char **failed_call) {
  struct stat status;
  if (portable_fstat(descriptor_of(segment), &status) != 0) return failure("fstat", failed_call);
  uint64_t all = (uint64_t)status.st_blocks * 512;
  *bytes = all > RINGBUS_CONTROL_BYTES ? all - RINGBUS_CONTROL_BYTES : 0;
  return 0;
}

void ringbus_segment_close(struct ringbus_segment *segment) {
  if (segment->control != NULL) munmap(segment->control, RINGBUS_CONTROL_BYTES);
  segment->control = NULL;
  descriptor_close(&segment->writable);
  descriptor_close(&segment->read_only);
}
#endif
