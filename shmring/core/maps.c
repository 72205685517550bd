#ifdef __linux__
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptors.h"
#include "failure.h"
#include "ringbus_kill_point.h"
#include "ringbus_layout.h"
#include "ringbus_segment.h"
#include "shared_file.h"

/* Before anything is mapped: a file that could be cut would end in a SIGBUS. */
static int check_file(int fd, uint64_t data_bytes, const char **failed_call) {
  if (!ringbus_is_data_size(data_bytes)) return refusal(-EBADMSG, "fstat", failed_call);
  return shared_file_check(fd, RINGBUS_CONTROL_BYTES + data_bytes, failed_call);
}

static int open_ring(struct ringbus_owner *owner, int fd, const char **failed_call) {
  size_t length = (size_t)(RINGBUS_CONTROL_BYTES + owner->data_bytes);
  owner->map = shared_file_map(fd, length, PROT_READ | PROT_WRITE, 0, failed_call);
  if (owner->map == NULL) return -errno;
  uint32_t capacity = (uint32_t)(owner->data_bytes / RINGBUS_GRANULE_BYTES);
  int result = ringbus_ring_open(&owner->ring, (struct ringbus_control *)owner->map, capacity);
  return result == 0 ? 0 : refusal(result, "mmap", failed_call);
}

int ringbus_owner_map(struct ringbus_owner *owner, int fd, uint64_t data_bytes, const char **failed_call) {
  *owner = (struct ringbus_owner){.descriptor = {.fd = -1}, .data_bytes = data_bytes};
  descriptor_keep(&owner->descriptor, fd);
  int result = check_file(fd, data_bytes, failed_call);
  if (result == 0) result = open_ring(owner, fd, failed_call);
  if (result < 0) ringbus_owner_close(owner);
  return result;
}

/* Since Linux 5.14; older kernels refuse them, and pages are mapped one by one as they are touched. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Maps the pages from one offset of a data area to another by one call, which is cheaper than a fault for each: as
 * good as it can, for nothing depends on it. */
static void prefault(const unsigned char *data, uint64_t from, uint64_t to, int advice) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t first = ((uintptr_t)data + from) & ~(page - 1);
  uintptr_t end = ((uintptr_t)data + to + page - 1) & ~(page - 1);
  (void)madvise((void *)first, end - first, advice);
}

/* A step at a time, and less near a limit: past it the kernel would kill this process rather than say no. */
static uint64_t step_towards(const struct ringbus_owner *owner, uint64_t end) {
  uint64_t needed = end - owner->reserved;
  uint64_t step = needed > RINGBUS_RESERVE_BYTES_MIN ? needed : RINGBUS_RESERVE_BYTES_MIN;
  if (step > owner->data_bytes - owner->reserved) step = owner->data_bytes - owner->reserved;
  uint64_t headroom = ringbus_memory_headroom("");
  if (headroom >= RINGBUS_HEADROOM_LEFT_BYTES + step) return step;
  return headroom >= RINGBUS_HEADROOM_LEFT_BYTES + needed ? needed : 0;
}

static int reserve(struct ringbus_owner *owner, uint64_t end, const char **failed_call) {
  if (end <= owner->reserved) return 0;
  uint64_t step = step_towards(owner, end);
  if (step == 0) return refusal(-ENOMEM, "fallocate", failed_call);
  uint64_t start = RINGBUS_CONTROL_BYTES + owner->reserved;
  int result = shared_file_allocate(owner->descriptor.fd, start, step, failed_call);
  if (result < 0) return result;
  prefault(owner->map + RINGBUS_CONTROL_BYTES, owner->reserved, owner->reserved + step, MADV_POPULATE_WRITE);
  owner->reserved += step;
  return 0;
}

static uint64_t offset_of(const struct ringbus_owner *owner, uint64_t position) {
  return position % owner->ring.capacity * RINGBUS_GRANULE_BYTES;
}

int ringbus_owner_claim(struct ringbus_owner *owner, uint64_t length, struct ringbus_claim *claim,
                        uint32_t *need, const char **failed_call) {
  ringbus_kill_point("publisher:before-claim");
  int result = ringbus_ring_plan(&owner->ring, ringbus_granules(length), claim, need);
  if (result < 0) return refusal(result, "claim", failed_call);
  if (result > 0) return result;
  uint64_t end = offset_of(owner, claim->position) + claim->granules * (uint64_t)RINGBUS_GRANULE_BYTES;
  result = reserve(owner, end, failed_call);
  if (result < 0) return result;
  ringbus_ring_take(&owner->ring, claim);
  return 0;
}

unsigned char *ringbus_owner_span(const struct ringbus_owner *owner, uint64_t position, uint64_t length) {
  if (!ringbus_ring_holds(&owner->ring, position, length)) return NULL;
  uint64_t offset = offset_of(owner, position);
  /* Claimed spans have memory; what a restart skipped may have none, and could not be touched safely. */
  if (length > owner->reserved || offset > owner->reserved - length) return NULL;
  return owner->map + RINGBUS_CONTROL_BYTES + offset;
}

void ringbus_owner_write(unsigned char *span, const void *bytes, size_t length) {
  size_t half = length / 2;
  memmove(span, bytes, half);
  ringbus_kill_point("publisher:while-writing");
  memmove(span + half, (const unsigned char *)bytes + half, length - half);
}

void ringbus_owner_close(struct ringbus_owner *owner) {
  if (owner->map != NULL) munmap(owner->map, (size_t)(RINGBUS_CONTROL_BYTES + owner->data_bytes));
  owner->map = NULL;
  descriptor_close(&owner->descriptor);
}

int ringbus_reader_map(struct ringbus_reader *reader, int fd, uint64_t data_bytes, const char **failed_call) {
  *reader = (struct ringbus_reader){.data_bytes = data_bytes};
  int result = check_file(fd, data_bytes, failed_call);
  if (result == 0) {
    reader->data = shared_file_map(fd, (size_t)data_bytes, PROT_READ, RINGBUS_CONTROL_BYTES, failed_call);
    if (reader->data == NULL) result = -errno;
  }
  close(fd);
  return result;
}

void ringbus_reader_copy(struct ringbus_reader *reader, uint64_t offset, void *target, size_t length) {
  if (offset + length > reader->touched) {
    prefault(reader->data, offset, offset + length, MADV_POPULATE_READ);
    reader->touched = offset + length;
  }
  memcpy(target, reader->data + offset, length);
}

void ringbus_reader_close(struct ringbus_reader *reader) {
  if (reader->data != NULL) munmap((void *)reader->data, (size_t)reader->data_bytes);
  reader->data = NULL;
}
#endif
