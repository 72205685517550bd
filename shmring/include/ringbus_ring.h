/*
 * The ring: who may write where in the data area of a segment, as a pure algorithm over memory that the
 * caller has mapped. No system call, no allocation, no waiting.
 *
 *     position   0          C          2C         3C      granules since the ring began; below 2^53
 *                |----------|----------|----------|--
 *     offset     0        C 0        C 0        C 0       (position mod C) granules into the data area
 *
 *        tail                      head
 *     ----|===|====|==|=====|======|---------             C = capacity
 *          <- count is short of C by these ->
 *
 * The owner alone moves head, by claims. Which claims are finished, and so where the tail is, the broker alone
 * knows, from its books; it tells the owner by adding to `count`. A record never wraps: what is left up to the
 * ring's end is skipped as padding; so is more of it, when the ring has gone twice as far as what is in flight
 * needs and there is enough room: memory that it does not need stays untouched. When nothing is in flight (count == C) the owner may restart at offset 0,
 * and then takes the record's granules alone: memory and cache stay hot.
 *
 * Processes and threads. One owner, one broker. struct ringbus_ring belongs to the owner and is no shared
 * memory: its functions are called by one thread at a time. ringbus_ring_post and ringbus_ring_wanted are the
 * broker's, by one thread at a time, at the same time as any of the owner's.
 *
 * After a crash. There is no lock to hold. An owner that dies between plan and commit leaves `count` short of
 * what the broker knows; the broker never waits for `count`, and ends the segment. A broker that dies posts no
 * more: the owner learns it from its socket, and claims in another segment.
 *
 * Trust. The broker never derives anything from `count` or `want` but when to send SPACE. The owner refuses
 * counts above C, which nobody can have made in good faith.
 */
#ifndef RINGBUS_RING_H
#define RINGBUS_RING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The control area, ringbus_layout.h; opaque here, for C++ cannot read C's atomic types. */
struct ringbus_control;

/* Positions stay below it, exact in every language's double. */
#define RINGBUS_POSITION_END (UINT64_C(1) << 53)

/* Granules from the start that a ring uses whatever it needs, 1 MiB: within it nothing is gained by turning. */
#define RINGBUS_REACH_MIN 16384

enum ringbus_ring_condition {
  RINGBUS_WAIT = 1,     /* not enough free granules: `need` says how many would do */
  RINGBUS_TOO_LARGE = 2 /* this ring never holds that many */
};

struct ringbus_ring {
  struct ringbus_control *control;
  uint32_t capacity; /* granules; a copy that nobody else can change */
  uint64_t head;     /* position behind the last claim, and behind its padding */
};

struct ringbus_claim {
  uint64_t position;
  uint32_t granules;
  uint32_t padding; /* granules skipped before position, up to where the ring begins anew */
  bool restarted;   /* then the padding is not taken from the semaphore, and must not be posted */
};

/* Granules of a payload of so many bytes, rounded up; UINT32_MAX when they are more than that. */
uint32_t ringbus_granules(uint64_t byte_length);

/* Broker, before anybody else has the segment: an empty ring of `capacity` granules. */
void ringbus_control_init(struct ringbus_control *control, uint32_t capacity);

/*
 * Owner: begins at position 0 of an empty ring. -EBADMSG for another magic, version or capacity, or for a
 * semaphore that is not full.
 */
int ringbus_ring_open(struct ringbus_ring *ring, struct ringbus_control *control, uint32_t capacity);

/*
 * Owner: where a record of `granules` (at least 1) would lie now. 0 fills `claim` and changes nothing; it
 * stays possible until the owner takes another claim, for only the owner subtracts. RINGBUS_WAIT fills `need`.
 * -EBADMSG when `count` is above the capacity; -EOVERFLOW when the positions are used up.
 */
int ringbus_ring_plan(const struct ringbus_ring *ring, uint32_t granules, struct ringbus_claim *claim,
                      uint32_t *need);

/* Owner: takes what the last plan has found. */
void ringbus_ring_take(struct ringbus_ring *ring, const struct ringbus_claim *claim);

/*
 * Owner, after RINGBUS_WAIT: says what it waits for. True: so much is free by now, nothing is waited for, and
 * the owner plans again. False: the broker will see `need` with a later post, and send SPACE. A SPACE may come
 * for nothing; the owner then plans, and waits, anew.
 */
bool ringbus_ring_wait(struct ringbus_ring *ring, uint32_t need);

/* Owner: whether `length` bytes at `position` lie in one piece within what has been claimed and may be live. */
bool ringbus_ring_holds(const struct ringbus_ring *ring, uint64_t position, uint64_t length);

/*
 * Broker: gives back the granules of retired records, after its own books have forgotten them. True: the owner
 * waits, has enough now, and no longer waits; it is to be sent SPACE.
 */
bool ringbus_ring_post(struct ringbus_control *control, uint32_t granules);

/* Broker: whether the owner waits. A hint, which the owner may have made up. */
bool ringbus_ring_wanted(const struct ringbus_control *control);

#ifdef __cplusplus
}
#endif

#endif
