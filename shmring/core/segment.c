#ifdef __linux__
#define _GNU_SOURCE
#include "ringbus_segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "failure.h"
#include "portable.h"
#include "ringbus_kill_point.h"
#include "ringbus_layout.h"
#include "seals.h"
#include "shared_file.h"

/* "/proc/self/fd/" and the digits of an int. */
#define FD_PATH_BYTES_MAX 32

bool ringbus_is_data_size(uint64_t data_bytes) {
  return data_bytes > 0 && data_bytes <= RINGBUS_DATA_BYTES_MAX && data_bytes % RINGBUS_DATA_BYTES_STEP == 0;
}

/* The control area gets its memory at once: so what lies beyond it in the file is the data area's alone, and
 * the broker never waits for a page of it. */
static int map_control(struct ringbus_segment *segment, const char **failed_call) {
  int fd = segment->writable.fd;
  int result = shared_file_allocate(fd, 0, RINGBUS_CONTROL_BYTES, failed_call);
  if (result < 0) return result;
  segment->control = shared_file_map(fd, RINGBUS_CONTROL_BYTES, PROT_READ | PROT_WRITE, 0, failed_call);
  if (segment->control == NULL) return -errno;
  ringbus_control_init(segment->control, (uint32_t)(segment->data_bytes / RINGBUS_GRANULE_BYTES));
  return 0;
}

int ringbus_segment_create(struct ringbus_segment *segment, uint64_t data_bytes, const char **failed_call) {
  *segment = (struct ringbus_segment){.writable = {.fd = -1}, .read_only = {.fd = -1}};
  if (!ringbus_is_data_size(data_bytes)) return refusal(-EINVAL, "memfd_create", failed_call);
  int fd = shared_file_create("ringbus-segment", RINGBUS_CONTROL_BYTES + data_bytes, failed_call);
  if (fd < 0) return fd;
  descriptor_keep(&segment->writable, fd);
  segment->data_bytes = data_bytes;
  int result = map_control(segment, failed_call);
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
  return shared_file_send(fd, socket_fd, bytes, length, sent, failed_call);
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
