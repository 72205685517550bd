/*
 * The ring between two threads, an owner and a broker, to be run under the thread sanitizer as well: it sees
 * whatever the orders of `count` and `want` fail to order. What the real ones tell each other by sockets goes
 * one way by a list (descriptors) and the other way by a semaphore (SPACE), so that the granules' way back is
 * `count` alone. A wake-up that is lost lets the owner wait for ever, which the alarm ends.
 */
#define _GNU_SOURCE
#include "ringbus_ring.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"
#include "random.h"
#include "ringbus_layout.h"

enum {
  WATCHDOG_S = 100, /* a stuck test ends, before the one who started it loses patience */
  CAPACITY_MAX = 16,
  RECORDS = 50000,
  LITMUS_ROUNDS = 100000,
  SPINS_MAX = 5000,
};

struct descriptor {
  uint64_t position;
  uint32_t granules;
  uint32_t taken;
  bool is_aborted;
};

static struct ringbus_control control;
static uint32_t capacity;

/* What the owner writes and the broker's thread, in the place of a subscriber, reads. Plain memory. */
static uint64_t data[CAPACITY_MAX];

/* Owner to broker. A place is used again only after its record was retired: by then `count` has said so. */
static struct descriptor sent[CAPACITY_MAX];
static atomic_uint sent_count;

/* Broker to owner. */
static sem_t space;

static uint64_t content(uint64_t position) { return position * UINT64_C(0x9e3779b97f4a7c15) + 1; }

static void write_record(const struct ringbus_claim *claim) {
  for (uint32_t index = 0; index < claim->granules; index++) {
    uint64_t position = claim->position + index;
    data[position % capacity] = content(position);
  }
}

static void read_record(const struct descriptor *record) {
  for (uint32_t index = 0; index < record->granules; index++) {
    uint64_t position = record->position + index;
    EXPECT(data[position % capacity] == content(position));
  }
}

/* As a publisher would: tries, says what it waits for, waits for SPACE, and tries again. */
static void claim_or_wait(struct ringbus_ring *ring, uint32_t granules, struct ringbus_claim *claim) {
  uint32_t need;
  int result;
  while ((result = ringbus_ring_plan(ring, granules, claim, &need)) == RINGBUS_WAIT) {
    if (!ringbus_ring_wait(ring, need)) {
      while (sem_wait(&space) != 0) continue;
    }
  }
  EXPECT(result == 0);
  ringbus_ring_take(ring, claim);
}

static void *own(void *argument) {
  uint64_t seed = *(uint64_t *)argument;
  struct ringbus_ring ring;
  EXPECT(ringbus_ring_open(&ring, &control, capacity) == 0);
  for (uint32_t index = 0; index < RECORDS; index++) {
    struct ringbus_claim claim;
    bool is_large = random_below(&seed, 8) == 0;
    claim_or_wait(&ring, 1 + random_below(&seed, is_large ? capacity : (capacity + 3) / 4), &claim);
    struct descriptor record = {.position = claim.position,
                                .granules = claim.granules,
                                .taken = claim.granules + (claim.restarted ? 0 : claim.padding),
                                .is_aborted = random_below(&seed, 8) == 0};
    if (!record.is_aborted) write_record(&claim);
    sent[index % CAPACITY_MAX] = record;
    atomic_store_explicit(&sent_count, index + 1, memory_order_release);
  }
  return NULL;
}

/* Takes records as they come, finishes them in any order, and retires them in the ring's. */
static void serve(uint64_t seed) {
  uint32_t received = 0, retired = 0;
  bool finished[CAPACITY_MAX] = {false};
  while (retired < RECORDS) {
    received = atomic_load_explicit(&sent_count, memory_order_acquire);
    if (received == retired) {
      sched_yield();
      continue;
    }
    uint32_t chosen = retired + random_below(&seed, received - retired);
    finished[chosen % CAPACITY_MAX] = true;
    while (retired < received && finished[retired % CAPACITY_MAX]) {
      struct descriptor record = sent[retired % CAPACITY_MAX];
      if (!record.is_aborted) read_record(&record);
      finished[retired % CAPACITY_MAX] = false;
      retired++;
      if (ringbus_ring_post(&control, record.taken)) EXPECT(sem_post(&space) == 0);
    }
  }
}

static void test_two_threads(uint32_t granules, uint64_t seed) {
  capacity = granules;
  ringbus_control_init(&control, capacity);
  atomic_store(&sent_count, 0);
  EXPECT(sem_init(&space, 0, 0) == 0);
  pthread_t owner;
  EXPECT(pthread_create(&owner, NULL, own, &seed) == 0);
  serve(seed + 1);
  EXPECT(pthread_join(owner, NULL) == 0);
  EXPECT(atomic_load(&control.count) == capacity);
  EXPECT(sem_destroy(&space) == 0);
}

/*
 * The litmus of the lost wake-up, one round: `count` is 0; one thread says that it wants 1 and looks at count,
 * the other posts 1 and looks at want.
 *
 *     waits (saw 0)   posts to nobody (saw no want)   never: nobody would send SPACE
 *     waits           sends SPACE                     allowed
 *     saw 1           posts to nobody                 allowed
 *     saw 1           sends SPACE                     allowed, a SPACE for nothing
 */
static atomic_uint turn;

/* Spins for a while before it gives the processor away: both are to leave at the same instant. */
static void meet(unsigned place) {
  atomic_fetch_add(&turn, 1);
  for (unsigned spins = 0; atomic_load(&turn) < place; spins++) {
    if (spins >= SPINS_MAX) sched_yield();
  }
}

static bool saw_enough;

static void *want_one(void *argument) {
  struct ringbus_ring *ring = argument;
  for (unsigned round = 0; round < LITMUS_ROUNDS; round++) {
    meet(4 * round + 2);
    saw_enough = ringbus_ring_wait(ring, 1);
    meet(4 * round + 4);
  }
  return NULL;
}

static void test_no_wake_up_is_lost(void) {
  capacity = 1;
  ringbus_control_init(&control, capacity);
  struct ringbus_ring ring;
  EXPECT(ringbus_ring_open(&ring, &control, capacity) == 0);
  pthread_t owner;
  EXPECT(pthread_create(&owner, NULL, want_one, &ring) == 0);
  for (unsigned round = 0; round < LITMUS_ROUNDS; round++) {
    atomic_store(&control.count, 0);
    atomic_store(&control.want, 0);
    meet(4 * round + 2);
    bool sends_space = ringbus_ring_post(&control, 1);
    meet(4 * round + 4);
    EXPECT(saw_enough || sends_space);
  }
  EXPECT(pthread_join(owner, NULL) == 0);
}

int main(void) {
  alarm(WATCHDOG_S);
  uint64_t seed = expect_seed = random_seed();
  test_two_threads(1, seed);
  test_two_threads(3, seed + 2);
  test_two_threads(CAPACITY_MAX, seed + 4);
  test_no_wake_up_is_lost();
  return 0;
}
