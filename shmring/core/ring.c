#include "ringbus_ring.h"

#include <errno.h>

#include "ringbus_layout.h"

/*
 * Who synchronises with whom. Two words are shared, `count` and `want`, and four places touch both.
 *
 * (A) Memory of a finished record. The last reader reads it, sends RELEASE; the broker receives it and posts:
 *     the add releases. The owner plans: its load acquires. Forbidden: that the owner's bytes of a later
 *     record reach memory before the reader's last read of the earlier one. The owner's own subtractions may be
 *     relaxed: being read-modify-writes they continue the release sequence of the post whose value they
 *     change, so a later load of theirs still synchronises with it.
 * (B) Waiting. The owner stores `want`, then loads `count`; the broker adds to `count`, then loads `want`. All
 *     four are sequentially consistent. Forbidden: that the owner misses the granules and the broker misses
 *     the wish (each load overtaking the store before it), after which nobody would ever send SPACE. Release
 *     and acquire do not forbid it, on x86 neither: a store may wait in its buffer while a later load is done.
 * (C) The record's bytes need nothing here: they are published by the descriptor in a frame, through sockets.
 */

uint32_t ringbus_granules(uint64_t byte_length) {
  uint64_t granules = byte_length / RINGBUS_GRANULE_BYTES + (byte_length % RINGBUS_GRANULE_BYTES != 0);
  return granules > UINT32_MAX ? UINT32_MAX : (uint32_t)granules;
}

void ringbus_control_init(struct ringbus_control *control, uint32_t capacity) {
  control->magic = RINGBUS_LAYOUT_MAGIC;
  control->version = RINGBUS_LAYOUT_VERSION;
  control->capacity = capacity;
  /* Relaxed: the descriptor, sent later, publishes all of it. */
  atomic_store_explicit(&control->count, capacity, memory_order_relaxed);
  atomic_store_explicit(&control->want, 0, memory_order_relaxed);
}

int ringbus_ring_open(struct ringbus_ring *ring, struct ringbus_control *control, uint32_t capacity) {
  if (control->magic != RINGBUS_LAYOUT_MAGIC || control->version != RINGBUS_LAYOUT_VERSION) return -EBADMSG;
  if (control->capacity != capacity) return -EBADMSG;
  if (atomic_load_explicit(&control->count, memory_order_relaxed) != capacity) return -EBADMSG;
  *ring = (struct ringbus_ring){.control = control, .capacity = capacity, .head = 0};
  return 0;
}

/* What a claim takes from the semaphore. Padding that a restart skips was free before, and stays so. */
static uint32_t granules_taken(const struct ringbus_claim *claim) {
  return claim->granules + (claim->restarted ? 0 : claim->padding);
}

/*
 * Whether to begin the next turn although the record fits before the end: memory behind what the ring needs stays
 * untouched, and what is used again is in the cache. The padding is taken for a while, so as much as there is in
 * flight must be left beside it.
 */
static bool turns_early(uint32_t capacity, uint32_t count, uint32_t offset, uint32_t granules) {
  uint64_t needed = (uint64_t)(capacity - count) + granules;
  uint64_t reach = needed * 2 > RINGBUS_REACH_MIN ? needed * 2 : RINGBUS_REACH_MIN;
  return offset >= reach && (uint64_t)(capacity - offset) + granules + needed <= count;
}

int ringbus_ring_plan(const struct ringbus_ring *ring, uint32_t granules, struct ringbus_claim *claim,
                      uint32_t *need) {
  uint32_t capacity = ring->capacity;
  if (granules > capacity) return RINGBUS_TOO_LARGE;
  if (ring->head > RINGBUS_POSITION_END - 2 * (uint64_t)capacity) return -EOVERFLOW;
  /* (A): acquires what the posts that made this count have released. */
  uint32_t count = atomic_load_explicit(&ring->control->count, memory_order_acquire);
  if (count > capacity) return -EBADMSG;
  uint32_t offset = (uint32_t)(ring->head % capacity);
  uint32_t rest = capacity - offset;
  bool is_restart = count == capacity && offset != 0;
  bool is_padded = is_restart || granules > rest || turns_early(capacity, count, offset, granules);
  *claim = (struct ringbus_claim){
      .position = ring->head + (is_padded ? rest : 0),
      .granules = granules,
      .padding = is_padded ? rest : 0,
      .restarted = is_restart,
  };
  if (is_restart) return 0;
  /* Where padding and record are more than the ring has, only a restart serves it: wait until it is empty. */
  *need = granules_taken(claim) <= capacity ? granules_taken(claim) : capacity;
  return count >= *need ? 0 : RINGBUS_WAIT;
}

void ringbus_ring_take(struct ringbus_ring *ring, const struct ringbus_claim *claim) {
  /* (A): relaxed, for it continues the release sequence of the posts before it. */
  atomic_fetch_sub_explicit(&ring->control->count, granules_taken(claim), memory_order_relaxed);
  ring->head = claim->position + claim->granules;
}

bool ringbus_ring_wait(struct ringbus_ring *ring, uint32_t need) {
  /* (B): store, then load. The load acquires as well, but the plan that follows loads again anyway. */
  atomic_store_explicit(&ring->control->want, need, memory_order_seq_cst);
  uint32_t count = atomic_load_explicit(&ring->control->count, memory_order_seq_cst);
  if (count < need) return false;
  /* Relaxed: seen too late it costs a SPACE for nothing. */
  atomic_store_explicit(&ring->control->want, 0, memory_order_relaxed);
  return true;
}

bool ringbus_ring_holds(const struct ringbus_ring *ring, uint64_t position, uint64_t length) {
  if (length == 0 || position >= ring->head) return false;
  uint32_t granules = ringbus_granules(length);
  if (granules > ring->head - position) return false;
  /* Two turns: behind a restart, head is as far as that from what was claimed before it. */
  if (ring->head - position > 2 * (uint64_t)ring->capacity) return false;
  return position % ring->capacity + granules <= ring->capacity;
}

bool ringbus_ring_post(struct ringbus_control *control, uint32_t granules) {
  /* (A): releases. (B): add, then load. Wraps when the owner has spoilt the count, which harms nobody else. */
  uint32_t count = atomic_fetch_add_explicit(&control->count, granules, memory_order_seq_cst) + granules;
  uint32_t want = atomic_load_explicit(&control->want, memory_order_seq_cst);
  if (want == 0 || want > count) return false;
  /* Only this wish is answered: had the owner stored another one since, its load of `count` came after our
   * add (B), and either it saw enough or the next post looks again. */
  return atomic_compare_exchange_strong_explicit(&control->want, &want, 0, memory_order_seq_cst,
                                                 memory_order_relaxed);
}

bool ringbus_ring_wanted(const struct ringbus_control *control) {
  return atomic_load_explicit(&control->want, memory_order_relaxed) != 0;
}
