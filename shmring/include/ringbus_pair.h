/*
 * A pair of byte rings that broker and client share: what their socket carries, frame behind frame, without the
 * kernel in between. The socket stays, for hang-up and as the bell that wakes who sleeps.
 *
 *     byte 0          4 KiB                      4 KiB + capacity             4 KiB + 2 capacity
 *     | control page  | ring 0: client → broker  | ring 1: broker → client    |
 *       |
 *       0     identity   magic, version, capacity: written once, before the client has the memory
 *       1024  ring 0     head, tail, asleep, full: each in a cache line of its own
 *       2048  ring 1     the same
 *
 * A ring is a stream: `head` counts the bytes that were put in, `tail` those that were taken out, both mod 2^32, and
 * the byte of count n lies at n mod capacity. The writer alone moves `head`, the reader alone `tail`.
 *
 *     asleep   the reader found nothing and rests until the bell rings: it sets it, whoever rings takes it back
 *     full     the writer found too little room, and rests likewise
 *
 * Trust. The broker believes nothing that stands here: of head and tail it keeps its own, and what the client's say
 * must lie within the capacity, or the pair is spoilt. Bytes are copied out before anybody looks at them. A client
 * that lies about `asleep` and `full` is rung for nothing, or not at all.
 *
 * Processes and threads. Each end belongs to one thread at a time; the two ends may work at the same time.
 *
 * After a crash. What lies below `head` was written whole and can be read on; nothing else is seen. The kernel
 * unmaps, and with the last map the memory is gone.
 *
 * Outside Linux there are no pairs: create and map return -ENOTSUP.
 */
#ifndef RINGBUS_PAIR_H
#define RINGBUS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ringbus_errors.h"
#include "ringbus_segment.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RINGBUS_PAIR_MAGIC 0x52494150u /* "PAIR" */
#define RINGBUS_PAIR_VERSION 1u
#define RINGBUS_PAIR_CONTROL_BYTES 4096u

/* The capacity of each ring is a power of two within these bounds. */
#define RINGBUS_PAIR_BYTES_MIN 65536u
#define RINGBUS_PAIR_BYTES_MAX 4194304u

enum ringbus_pair_condition {
  RINGBUS_BELL = 1,  /* the other end rests, and must be woken */
  RINGBUS_AWAKE = 2  /* there is something to do: do not rest */
};

/* The four words of a ring in shared memory; opaque here, for C++ cannot read C's atomic types. */
struct ringbus_pair_words;

/* One end: what it alone knows of the two rings. */
struct ringbus_pair {
  struct ringbus_descriptor descriptor; /* of the broker's end, until the client has it */
  unsigned char *map;
  struct ringbus_pair_words *out, *in;
  unsigned char *out_bytes;
  const unsigned char *in_bytes;
  uint32_t capacity;
  uint32_t out_head; /* bytes written so far, mod 2^32 */
  uint32_t in_tail;  /* bytes read so far, mod 2^32 */
};

/* Broker: a new pair with all of its memory. -ENOMEM when that is not to be had within a limit. */
int ringbus_pair_create(struct ringbus_pair *pair, uint32_t capacity, const char **failed_call);

/*
 * Broker: sends bytes with the descriptor, as ringbus_segment_send does, and once they are sent keeps none any
 * longer; -EPERM from then on.
 */
int ringbus_pair_send(struct ringbus_pair *pair, int socket_fd, const void *bytes, size_t length, size_t *sent,
                      const char **failed_call);

/* Client: takes `fd` over. -EPERM without the size seals, -EBADMSG for another size or layout. */
int ringbus_pair_map(struct ringbus_pair *pair, int fd, uint32_t capacity, const char **failed_call);

/*
 * Writes as much as there is room for: `*taken` bytes. If that is not all, the other end will ring once half of the
 * ring is free, or more. RINGBUS_BELL, or 0; -EBADMSG when the pair is spoilt.
 */
int ringbus_pair_write(struct ringbus_pair *pair, const void *bytes, size_t length, size_t *taken);

/* Reads what there is, `*taken` bytes up to `length`. Results as of ringbus_pair_write. */
int ringbus_pair_read(struct ringbus_pair *pair, void *target, size_t length, size_t *taken);

/* The reader would rest: 0, from now on the bell wakes it; RINGBUS_AWAKE, there is something to read. */
int ringbus_pair_rest(struct ringbus_pair *pair);

void ringbus_pair_close(struct ringbus_pair *pair);

#ifdef __cplusplus
}
#endif

#endif
