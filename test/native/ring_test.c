/*
 * The ring as an algorithm, in one thread: single steps, and a random schedule of claims, aborts and finishes
 * in any order beside the simplest model of what a ring is, a table of who has which granule.
 */
#include "ringbus_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "expect.h"
#include "random.h"
#include "ringbus_layout.h"

static struct ringbus_control control;
static struct ringbus_ring ring;
static struct ringbus_claim claim;
static uint32_t need;

static void start(uint32_t capacity) {
  ringbus_control_init(&control, capacity);
  EXPECT(ringbus_ring_open(&ring, &control, capacity) == 0);
}

static int claim_granules(uint32_t granules) {
  int result = ringbus_ring_plan(&ring, granules, &claim, &need);
  if (result == 0) ringbus_ring_take(&ring, &claim);
  return result;
}

static bool claimed_at(uint64_t position, uint32_t padding, bool restarted) {
  return claim.position == position && claim.padding == padding && claim.restarted == restarted;
}

static uint32_t free_granules(void) { return atomic_load(&control.count); }

static void test_granules(void) {
  EXPECT(ringbus_granules(0) == 0 && ringbus_granules(1) == 1 && ringbus_granules(64) == 1);
  EXPECT(ringbus_granules(65) == 2);
  EXPECT(ringbus_granules(64 * (uint64_t)UINT32_MAX) == UINT32_MAX);
  EXPECT(ringbus_granules(UINT64_MAX) == UINT32_MAX);
}

static void test_open_believes_no_other_layout(void) {
  start(8);
  EXPECT(ringbus_ring_open(&ring, &control, 9) == -EBADMSG);
  control.version++;
  EXPECT(ringbus_ring_open(&ring, &control, 8) == -EBADMSG);
  start(8);
  control.magic++;
  EXPECT(ringbus_ring_open(&ring, &control, 8) == -EBADMSG);
  start(8);
  atomic_store(&control.count, 7);
  EXPECT(ringbus_ring_open(&ring, &control, 8) == -EBADMSG);
}

static void test_claims_follow_one_another(void) {
  start(8);
  EXPECT(claim_granules(3) == 0 && claimed_at(0, 0, false) && claim.granules == 3);
  EXPECT(claim_granules(3) == 0 && claimed_at(3, 0, false));
  EXPECT(free_granules() == 2 && ring.head == 6);
  EXPECT(claim_granules(9) == RINGBUS_TOO_LARGE);
}

static void test_a_record_does_not_wrap(void) {
  start(8);
  EXPECT(claim_granules(6) == 0);
  /* Two are left up to the end: they are skipped, and taken with the record. */
  EXPECT(claim_granules(3) == RINGBUS_WAIT && need == 5);
  EXPECT(!ringbus_ring_post(&control, 2));
  EXPECT(claim_granules(3) == RINGBUS_WAIT && need == 5 && free_granules() == 4);
  EXPECT(!ringbus_ring_post(&control, 1));
  EXPECT(claim_granules(3) == 0 && claimed_at(8, 2, false) && free_granules() == 0);
}

static void test_an_empty_ring_restarts(void) {
  start(8);
  EXPECT(claim_granules(6) == 0);
  ringbus_ring_post(&control, 6);
  EXPECT(claim_granules(2) == 0 && claimed_at(8, 2, true) && free_granules() == 6);
  ringbus_ring_post(&control, 2);
  EXPECT(claim_granules(8) == 0 && claimed_at(16, 6, true) && free_granules() == 0);
  ringbus_ring_post(&control, 8);
  /* At offset 0 already: nothing is skipped, so nothing is said to be. */
  EXPECT(claim_granules(1) == 0 && claimed_at(24, 0, false));
}

static void test_what_only_a_restart_serves_waits_for_all(void) {
  start(8);
  EXPECT(claim_granules(4) == 0);
  EXPECT(claim_granules(5) == RINGBUS_WAIT && need == 8);
  EXPECT(!ringbus_ring_wait(&ring, need));
  EXPECT(!ringbus_ring_post(&control, 3) && ringbus_ring_wanted(&control));
  EXPECT(ringbus_ring_post(&control, 1) && !ringbus_ring_wanted(&control));
  EXPECT(claim_granules(5) == 0 && claimed_at(8, 4, true) && free_granules() == 3);
}

static void test_waiting(void) {
  start(8);
  EXPECT(claim_granules(8) == 0);
  EXPECT(!ringbus_ring_wanted(&control));
  EXPECT(!ringbus_ring_wait(&ring, 2) && ringbus_ring_wanted(&control));
  EXPECT(!ringbus_ring_post(&control, 1));
  EXPECT(ringbus_ring_post(&control, 1));
  EXPECT(!ringbus_ring_post(&control, 1));
  EXPECT(ringbus_ring_wait(&ring, 3) && !ringbus_ring_wanted(&control));
}

static void test_a_plan_changes_nothing(void) {
  start(8);
  EXPECT(ringbus_ring_plan(&ring, 3, &claim, &need) == 0);
  EXPECT(free_granules() == 8 && ring.head == 0);
}

static void test_what_nobody_can_have_counted(void) {
  start(8);
  atomic_store(&control.count, 9);
  EXPECT(claim_granules(1) == -EBADMSG);
}

static void test_positions_end(void) {
  start(8);
  ring.head = RINGBUS_POSITION_END - 16;
  EXPECT(claim_granules(8) == 0);
  EXPECT(claim_granules(1) == -EOVERFLOW);
}

static void test_holds(void) {
  start(8);
  EXPECT(!ringbus_ring_holds(&ring, 0, 1));
  EXPECT(claim_granules(6) == 0);
  EXPECT(ringbus_ring_holds(&ring, 0, 384) && ringbus_ring_holds(&ring, 5, 64));
  EXPECT(!ringbus_ring_holds(&ring, 0, 385) && !ringbus_ring_holds(&ring, 5, 65));
  EXPECT(!ringbus_ring_holds(&ring, 0, 0) && !ringbus_ring_holds(&ring, 6, 1));
  EXPECT(!ringbus_ring_holds(&ring, 0, UINT64_MAX));
  ringbus_ring_post(&control, 6);
  EXPECT(claim_granules(8) == 0 && ringbus_ring_holds(&ring, 8, 512));
  /* Not across the end, though all of it is claimed. */
  EXPECT(!ringbus_ring_holds(&ring, 7, 128));
  ringbus_ring_post(&control, 8);
  EXPECT(claim_granules(8) == 0 && claim_granules(1) == RINGBUS_WAIT);
  EXPECT(!ringbus_ring_holds(&ring, 7, 64) && ringbus_ring_holds(&ring, 16, 64));
}

/* --- the random schedule --- */

enum { CAPACITY_MAX = 64, STEPS = 20000 };

struct record {
  uint64_t start; /* of its padding */
  uint64_t position;
  uint32_t granules;
  uint32_t taken;
  bool finished;
};

/* What a broker knows: records in ring order, and for each granule of memory whether one of them has it. */
static struct {
  uint32_t capacity;
  uint32_t wanted;
  size_t length;
  struct record records[CAPACITY_MAX];
  bool used[CAPACITY_MAX];
  uint64_t tail;
} model;

static uint32_t model_taken(void) {
  uint32_t taken = 0;
  for (size_t index = 0; index < model.length; index++) taken += model.records[index].taken;
  return taken;
}

static void mark(const struct record *record, bool used) {
  for (uint32_t index = 0; index < record->granules; index++) {
    uint32_t place = (uint32_t)((record->position + index) % model.capacity);
    EXPECT(model.used[place] != used);
    model.used[place] = used;
  }
}

/* The rules by which a broker judges a claim, word for word. */
static void expect_valid(uint32_t granules) {
  uint64_t capacity = model.capacity, begin = claim.position - claim.padding;
  EXPECT(claim.granules == granules && claim.position % capacity + granules <= capacity);
  EXPECT(claim.padding == 0 || (claim.position % capacity == 0 && claim.padding < capacity));
  EXPECT(!claim.restarted || (begin == model.tail && model.length == 0 && claim.padding > 0));
  EXPECT(begin >= model.tail);
  uint64_t turns = (model.tail + capacity - 1) / capacity;
  EXPECT(claim.position + granules <= (claim.restarted ? (turns + 1) * capacity : model.tail + capacity));
}

static void expect_room_or_wish(uint64_t *seed, uint32_t granules, int result) {
  uint32_t capacity = model.capacity;
  if (granules > capacity) {
    EXPECT(result == RINGBUS_TOO_LARGE);
    return;
  }
  EXPECT(result == RINGBUS_WAIT && need > free_granules() && need <= capacity && model.length > 0);
  if (random_below(seed, 2) == 0) {
    EXPECT(!ringbus_ring_wait(&ring, need));
    model.wanted = need;
  }
}

static void step_claim(uint64_t *seed) {
  uint32_t granules = 1 + random_below(seed, random_below(seed, 4) == 0 ? model.capacity + 1 : 4);
  uint64_t head = ring.head;
  int result = claim_granules(granules);
  if (result != 0) {
    EXPECT(ring.head == head);
    expect_room_or_wish(seed, granules, result);
    return;
  }
  expect_valid(granules);
  struct record record = {.start = claim.position - claim.padding,
                          .position = claim.position,
                          .granules = granules,
                          .taken = granules + (claim.restarted ? 0 : claim.padding)};
  EXPECT(record.start == head && model.length < CAPACITY_MAX);
  mark(&record, true);
  model.records[model.length++] = record;
  /* What a restart skips is behind the tail at once: it was free, and nothing will retire it. */
  if (claim.restarted) model.tail = claim.position;
}

/* Finishes any of them, and retires what is finished at the tail: moves it, and then posts. */
static void step_finish(uint64_t *seed) {
  if (model.length == 0) return;
  model.records[random_below(seed, (uint32_t)model.length)].finished = true;
  while (model.length > 0 && model.records[0].finished) {
    struct record record = model.records[0];
    memmove(model.records, model.records + 1, --model.length * sizeof record);
    mark(&record, false);
    model.tail = record.position + record.granules;
    bool is_awaited = ringbus_ring_post(&control, record.taken);
    EXPECT(is_awaited == (model.wanted != 0 && model.wanted <= free_granules()));
    if (is_awaited) model.wanted = 0;
  }
}

static void run_schedule(uint32_t capacity, uint64_t seed) {
  start(capacity);
  memset(&model, 0, sizeof model);
  model.capacity = capacity;
  for (int step = 0; step < STEPS; step++) {
    if (random_below(&seed, 5) < 3)
      step_claim(&seed);
    else
      step_finish(&seed);
    EXPECT(free_granules() + model_taken() == capacity);
    EXPECT((model.wanted != 0) == ringbus_ring_wanted(&control));
  }
  EXPECT(ring.head > 10 * (uint64_t)capacity);
}

/* A stream with `window` records of `granules` in flight, finished in order: how far into the ring it goes. */
static uint32_t reach_of_stream(uint32_t capacity, uint32_t granules, uint32_t window) {
  struct ringbus_claim flying[16];
  uint32_t reach = 0;
  start(capacity);
  for (uint32_t turn = 0; turn < 50000; turn++) {
    if (turn >= window) {
      struct ringbus_claim *oldest = &flying[turn % window];
      ringbus_ring_post(&control, oldest->granules + (oldest->restarted ? 0 : oldest->padding));
    }
    /* It turns early only where there is room, so it never has to wait for that. */
    EXPECT(claim_granules(granules) == 0);
    uint32_t offset = (uint32_t)(claim.position % capacity);
    for (uint32_t other = 1; other < window && other <= turn; other++) {
      uint32_t taken = (uint32_t)(flying[(turn - other) % window].position % capacity);
      EXPECT(offset + granules <= taken || taken + granules <= offset);
    }
    flying[turn % window] = claim;
    if (offset + granules > reach) reach = offset + granules;
  }
  return reach;
}

static void test_a_ring_uses_what_it_needs(void) {
  uint32_t capacity = 64 * RINGBUS_REACH_MIN;
  EXPECT(reach_of_stream(capacity, 64, 2) <= RINGBUS_REACH_MIN + 64);
  EXPECT(reach_of_stream(capacity, RINGBUS_REACH_MIN, 2) <= 6 * RINGBUS_REACH_MIN);
  EXPECT(reach_of_stream(capacity, RINGBUS_REACH_MIN, 7) <= 16 * RINGBUS_REACH_MIN);
  /* There is no room to skip when most of it is in flight. */
  EXPECT(reach_of_stream(16 * RINGBUS_REACH_MIN, RINGBUS_REACH_MIN, 12) == 16 * RINGBUS_REACH_MIN);
}

static void test_random_schedules(void) {
  static const uint32_t capacities[] = {1, 2, 4, 7, 16, CAPACITY_MAX};
  uint64_t seed = expect_seed = random_seed();
  for (size_t index = 0; index < sizeof capacities / sizeof *capacities; index++) {
    run_schedule(capacities[index], seed + index);
  }
}

int main(void) {
  test_granules();
  test_open_believes_no_other_layout();
  test_claims_follow_one_another();
  test_a_record_does_not_wrap();
  test_an_empty_ring_restarts();
  test_what_only_a_restart_serves_waits_for_all();
  test_waiting();
  test_a_plan_changes_nothing();
  test_what_nobody_can_have_counted();
  test_positions_end();
  test_holds();
  test_a_ring_uses_what_it_needs();
  test_random_schedules();
  return 0;
}
