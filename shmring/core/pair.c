#ifdef __linux__
#define _GNU_SOURCE
#include "ringbus_pair.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "descriptors.h"
#include "failure.h"
#include "ringbus_kill_point.h"
#include "shared_file.h"

/*
 * Who synchronises with whom.
 *
 * (A) The bytes. The writer stores them, then `head`, which releases; the reader loads `head`, which acquires, then
 *     the bytes. And the other way round for room: the reader has copied, then stores `tail`, which releases; the
 *     writer loads `tail`, which acquires, before it writes there again.
 * (B) Rest. The reader stores `asleep`, then loads `head`; the writer stores `head`, then loads `asleep`. All four
 *     are sequentially consistent. Forbidden: that each misses what the other has stored (a store may wait in its
 *     buffer while a later load is done), after which nobody would ever ring. The same holds for `full` and `tail`.
 */
struct ringbus_pair_words {
  _Atomic uint32_t head;
  unsigned char pad_head[60];
  _Atomic uint32_t tail;
  unsigned char pad_tail[60];
  _Atomic uint32_t asleep;
  unsigned char pad_asleep[60];
  _Atomic uint32_t full;
  unsigned char pad_full[60];
};

struct identity {
  uint32_t magic;
  uint32_t version;
  uint32_t capacity;
};

enum { WORDS_OFFSET = 1024 };

_Static_assert(sizeof(struct ringbus_pair_words) == 256, "layout version 1");
_Static_assert(WORDS_OFFSET * 3 <= RINGBUS_PAIR_CONTROL_BYTES, "it fits");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock would live in one process only");

static bool is_capacity(uint32_t capacity) {
  return capacity >= RINGBUS_PAIR_BYTES_MIN && capacity <= RINGBUS_PAIR_BYTES_MAX &&
         (capacity & (capacity - 1)) == 0;
}

static uint64_t file_bytes(uint32_t capacity) { return RINGBUS_PAIR_CONTROL_BYTES + 2 * (uint64_t)capacity; }

static void lay_out(struct ringbus_pair *pair, int out_ring) {
  unsigned char *words = pair->map + WORDS_OFFSET;
  unsigned char *bytes = pair->map + RINGBUS_PAIR_CONTROL_BYTES;
  int in_ring = 1 - out_ring;
  pair->out = (struct ringbus_pair_words *)(words + out_ring * WORDS_OFFSET);
  pair->in = (struct ringbus_pair_words *)(words + in_ring * WORDS_OFFSET);
  pair->out_bytes = bytes + (size_t)out_ring * pair->capacity;
  pair->in_bytes = bytes + (size_t)in_ring * pair->capacity;
}

static int allocate(struct ringbus_pair *pair, const char **failed_call) {
  uint64_t bytes = file_bytes(pair->capacity);
  int fd = shared_file_create("ringbus-pair", bytes, failed_call);
  if (fd < 0) return fd;
  descriptor_keep(&pair->descriptor, fd);
  if (ringbus_memory_headroom("") < RINGBUS_HEADROOM_LEFT_BYTES + bytes)
    return refusal(-ENOMEM, "fallocate", failed_call);
  int result = shared_file_allocate(fd, 0, bytes, failed_call);
  if (result < 0) return result;
  pair->map = shared_file_map(fd, bytes, PROT_READ | PROT_WRITE, 0, failed_call);
  return pair->map == NULL ? -errno : 0;
}

int ringbus_pair_create(struct ringbus_pair *pair, uint32_t capacity, const char **failed_call) {
  *pair = (struct ringbus_pair){.descriptor = {.fd = -1}, .capacity = capacity};
  if (!is_capacity(capacity)) return refusal(-EINVAL, "memfd_create", failed_call);
  int result = allocate(pair, failed_call);
  if (result < 0) {
    ringbus_pair_close(pair);
    return result;
  }
  /* The descriptor, sent later, publishes it. */
  *(struct identity *)pair->map = (struct identity){RINGBUS_PAIR_MAGIC, RINGBUS_PAIR_VERSION, capacity};
  lay_out(pair, 1);
  return 0;
}

int ringbus_pair_send(struct ringbus_pair *pair, int socket_fd, const void *bytes, size_t length, size_t *sent,
                      const char **failed_call) {
  *sent = 0;
  if (pair->descriptor.fd < 0) return refusal(-EPERM, "sendmsg", failed_call);
  int result = shared_file_send(pair->descriptor.fd, socket_fd, bytes, length, sent, failed_call);
  if (result == 0 && *sent == length) descriptor_close(&pair->descriptor);
  return result;
}

static int open_map(struct ringbus_pair *pair, int fd, const char **failed_call) {
  uint64_t bytes = file_bytes(pair->capacity);
  if (!is_capacity(pair->capacity)) return refusal(-EBADMSG, "mmap", failed_call);
  int result = shared_file_check(fd, bytes, failed_call);
  if (result < 0) return result;
  pair->map = shared_file_map(fd, bytes, PROT_READ | PROT_WRITE, 0, failed_call);
  if (pair->map == NULL) return -errno;
  const struct identity *identity = (const struct identity *)pair->map;
  bool is_known = identity->magic == RINGBUS_PAIR_MAGIC && identity->version == RINGBUS_PAIR_VERSION;
  return is_known && identity->capacity == pair->capacity ? 0 : refusal(-EBADMSG, "mmap", failed_call);
}

int ringbus_pair_map(struct ringbus_pair *pair, int fd, uint32_t capacity, const char **failed_call) {
  *pair = (struct ringbus_pair){.descriptor = {.fd = -1}, .capacity = capacity};
  descriptor_keep(&pair->descriptor, fd);
  int result = open_map(pair, fd, failed_call);
  descriptor_close(&pair->descriptor);
  if (result < 0)
    ringbus_pair_close(pair);
  else
    lay_out(pair, 0);
  return result;
}

/* Rings if the other end rests: the flag is taken back, so that one rest costs one ring. (B): loads after a store. */
static int wake(_Atomic uint32_t *resting) {
  if (atomic_load_explicit(resting, memory_order_seq_cst) == 0) return 0;
  return atomic_exchange_explicit(resting, 0, memory_order_seq_cst) != 0 ? RINGBUS_BELL : 0;
}

/* Bytes that may be written; more than the capacity when the reader's count is none. */
static uint32_t room(const struct ringbus_pair *pair) {
  /* (A): acquires the reader's last look at what will be overwritten. (B): the load after the store of `full`. */
  uint32_t tail = atomic_load_explicit(&pair->out->tail, memory_order_seq_cst);
  return pair->capacity - (pair->out_head - tail);
}

static void put(struct ringbus_pair *pair, const unsigned char *bytes, size_t length) {
  uint32_t offset = pair->out_head & (pair->capacity - 1);
  size_t first = pair->capacity - offset < length ? pair->capacity - offset : length;
  memcpy(pair->out_bytes + offset, bytes, first);
  ringbus_kill_point("pair:while-writing");
  memcpy(pair->out_bytes, bytes + first, length - first);
  pair->out_head += (uint32_t)length;
  /* (A): releases the bytes. (B): the store before the load of `asleep`. */
  atomic_store_explicit(&pair->out->head, pair->out_head, memory_order_seq_cst);
  ringbus_kill_point("pair:written");
}

int ringbus_pair_write(struct ringbus_pair *pair, const void *bytes, size_t length, size_t *taken) {
  *taken = 0;
  for (bool is_told = false; *taken < length;) {
    uint32_t free = room(pair);
    if (free > pair->capacity) return -EBADMSG;
    size_t left = length - *taken;
    size_t part = left < free ? left : free;
    if (part > 0) put(pair, (const unsigned char *)bytes + *taken, part);
    *taken += part;
    if (part == left) break;
    /* Told, and still no more room: the reader will see `full`. */
    if (is_told && part == 0) break;
    atomic_store_explicit(&pair->out->full, 1, memory_order_seq_cst);
    is_told = true;
  }
  return wake(&pair->out->asleep);
}

int ringbus_pair_read(struct ringbus_pair *pair, void *target, size_t length, size_t *taken) {
  *taken = 0;
  /* (A): acquires the bytes. */
  uint32_t head = atomic_load_explicit(&pair->in->head, memory_order_acquire);
  uint32_t used = head - pair->in_tail;
  if (used > pair->capacity) return -EBADMSG;
  size_t part = used < length ? used : length;
  if (part == 0) return 0;
  uint32_t offset = pair->in_tail & (pair->capacity - 1);
  size_t first = pair->capacity - offset < part ? pair->capacity - offset : part;
  memcpy(target, pair->in_bytes + offset, first);
  memcpy((unsigned char *)target + first, pair->in_bytes, part - first);
  ringbus_kill_point("pair:while-reading");
  pair->in_tail += (uint32_t)part;
  /* (A): releases the room. (B): the store before the load of `full`. */
  atomic_store_explicit(&pair->in->tail, pair->in_tail, memory_order_seq_cst);
  *taken = part;
  /* Not for a little room, which would soon be used up: the rest is read sooner or later. */
  return used - part <= pair->capacity / 2 ? wake(&pair->in->full) : 0;
}

int ringbus_pair_rest(struct ringbus_pair *pair) {
  atomic_store_explicit(&pair->in->asleep, 1, memory_order_seq_cst);
  /* (B): the load after the store. */
  if (atomic_load_explicit(&pair->in->head, memory_order_seq_cst) == pair->in_tail) return 0;
  atomic_store_explicit(&pair->in->asleep, 0, memory_order_relaxed);
  return RINGBUS_AWAKE;
}

void ringbus_pair_close(struct ringbus_pair *pair) {
  if (pair->map != NULL) munmap(pair->map, file_bytes(pair->capacity));
  pair->map = NULL;
  descriptor_close(&pair->descriptor);
}
#endif
