/*
 * What lies where in a segment: the one place that says so, for every language that maps one.
 *
 *     byte 0            64 KiB                                              64 KiB + data bytes
 *     | control area    | data area: granules of 64 bytes                   |
 *       |
 *       0    identity   magic, version, capacity: written once, before anybody else has the segment
 *       64   count      free granules, the semaphore: the owner subtracts, the broker adds
 *       128  want       0, or the count that the owner waits for: the owner sets it, either one clears it
 *
 * All words are little-endian u32, as the machine's own: the area never leaves the host. What may change has
 * a cache line of its own, for two processes write there at the same time.
 *
 * Version. Whoever maps a segment refuses a version that it does not know. RINGBUS_LAYOUT_VERSION goes up by
 * one whenever an offset, a size or the meaning of a word changes, or a word is added that a mapper must know
 * of; a word that older mappers may leave alone, in what are zeros today, needs no new version. The number is
 * negotiated before any segment is made (the ring capability in HELLO), so both are changed together.
 */
#ifndef RINGBUS_LAYOUT_H
#define RINGBUS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define RINGBUS_LAYOUT_MAGIC 0x474e4952u /* "RING" */
#define RINGBUS_LAYOUT_VERSION 1u

/* Whole pages on every platform that Node runs on, so that the data area begins on a page. */
#define RINGBUS_CONTROL_BYTES 65536u

/* The unit of claims: one cache line, so that no two records share one. */
#define RINGBUS_GRANULE_BYTES 64u

/* A data area is a multiple of this: whole pages everywhere. */
#define RINGBUS_DATA_BYTES_STEP 65536u

/* One record can be as large as its ring, and no payload is larger than this; capacities fit u32 easily. */
#define RINGBUS_DATA_BYTES_MAX 1073741824u

/* C++ has no such atomic words; it needs the sizes only. */
#ifndef __cplusplus

#include <stdatomic.h>

struct ringbus_control {
  uint32_t magic;
  uint32_t version;
  uint32_t capacity; /* granules of the data area */
  unsigned char pad_identity[52];
  _Atomic uint32_t count;
  unsigned char pad_count[60];
  _Atomic uint32_t want;
  unsigned char pad_want[60];
};

_Static_assert(offsetof(struct ringbus_control, magic) == 0, "layout version 1");
_Static_assert(offsetof(struct ringbus_control, version) == 4, "layout version 1");
_Static_assert(offsetof(struct ringbus_control, capacity) == 8, "layout version 1");
_Static_assert(offsetof(struct ringbus_control, count) == 64, "layout version 1");
_Static_assert(offsetof(struct ringbus_control, want) == 128, "layout version 1");
_Static_assert(sizeof(struct ringbus_control) == 192, "layout version 1");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "the words have the layout of plain ones");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock would live in one process only");
_Static_assert(sizeof(struct ringbus_control) <= RINGBUS_CONTROL_BYTES, "it fits");
_Static_assert(RINGBUS_DATA_BYTES_STEP % RINGBUS_GRANULE_BYTES == 0, "whole granules");
_Static_assert(RINGBUS_DATA_BYTES_MAX % RINGBUS_DATA_BYTES_STEP == 0, "the largest one is allowed");

#endif

#endif
