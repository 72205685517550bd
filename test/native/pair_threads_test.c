/*
 * A pair of rings between two threads, to be run under the thread sanitizer as well: it sees whatever the orders of
 * `head` and `tail` fail to order. Each thread has one end, writes and reads what it can, and rests by a semaphore, which
 * is the bell. A wake-up that is lost lets both rest for ever, which the alarm ends.
 */
#define _GNU_SOURCE
#include "ringbus_pair.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "expect.h"
#include "pair_words.h"
#include "random.h"

#define CAPACITY RINGBUS_PAIR_BYTES_MIN

enum {
  WATCHDOG_S = 100, /* a stuck test ends, before the one who started it loses patience */
  PIECE_BYTES_MAX = 3 * CAPACITY / 2,
  LITMUS_ROUNDS = 100000,
  SPINS_MAX = 5000,
  DELAYS = 64,
};

/* The seam of the tests that need no memory to speak of: a ring of one byte. */
enum { TINY = 1 };

struct end {
  struct ringbus_pair pair;
  struct end *other;
  sem_t bell;
  uint64_t seed;
  /* Bytes to write and to read, and those done. */
  uint64_t out_bytes, in_bytes, written, read;
  /* Which ring it writes to. */
  int ring;
  unsigned char piece[PIECE_BYTES_MAX];
};

static struct end broker = {.other = NULL, .ring = 1}, client = {.other = &broker, .ring = 0};

static unsigned char content(uint64_t count, int ring) {
  return (unsigned char)((count * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)ring) >> 56);
}

static void open_ends(uint32_t beginning) {
  const char *failed_call;
  EXPECT(ringbus_pair_create(&broker.pair, CAPACITY, &failed_call) == 0);
  int fd = fcntl(broker.pair.descriptor.fd, F_DUPFD_CLOEXEC, 3);
  EXPECT(ringbus_pair_map(&client.pair, fd, CAPACITY, &failed_call) == 0);
  pair_begin_at(&broker.pair, &client.pair, beginning);
  broker.other = &client;
}

static void close_ends(void) {
  ringbus_pair_close(&client.pair);
  ringbus_pair_close(&broker.pair);
}

static void ring_if(struct end *end, int result) {
  EXPECT(result == 0 || result == RINGBUS_BELL);
  if (result == RINGBUS_BELL) EXPECT(sem_post(&end->other->bell) == 0);
}

/* Mostly a few bytes, now and then more than a ring holds. */
static uint32_t some_length(struct end *end) {
  uint32_t bound = random_below(&end->seed, 16) == 0 ? PIECE_BYTES_MAX : 2000;
  return 1 + random_below(&end->seed, bound);
}

/* False: there was no room for all of it. */
static bool write_some(struct end *end) {
  uint64_t left = end->out_bytes - end->written;
  uint32_t length = some_length(end);
  if (length > left) length = (uint32_t)left;
  for (uint32_t index = 0; index < length; index++) end->piece[index] = content(end->written + index, end->ring);
  size_t taken;
  ring_if(end, ringbus_pair_write(&end->pair, end->piece, length, &taken));
  end->written += taken;
  return taken == length;
}

/* False: there was nothing. */
static bool read_some(struct end *end) {
  size_t taken;
  ring_if(end, ringbus_pair_read(&end->pair, end->piece, some_length(end), &taken));
  for (size_t index = 0; index < taken; index++)
    EXPECT(end->piece[index] == content(end->read + index, 1 - end->ring));
  end->read += taken;
  return taken > 0;
}

static void wait_for_bell(struct end *end) {
  while (sem_wait(&end->bell) != 0) continue;
}

/* As a process would: goes on for as long as anything moves, and rests when nothing does. */
static void *work(void *argument) {
  struct end *end = argument;
  while (end->written < end->out_bytes || end->read < end->in_bytes) {
    bool may_write = end->written < end->out_bytes && write_some(end);
    bool has_read = read_some(end);
    if (may_write || has_read) continue;
    if (ringbus_pair_rest(&end->pair) == 0 && (end->written < end->out_bytes || end->read < end->in_bytes))
      wait_for_bell(end);
  }
  return NULL;
}

static void test_two_threads(uint64_t to_broker, uint64_t to_client, uint32_t beginning) {
  open_ends(beginning);
  client.out_bytes = broker.in_bytes = to_broker;
  broker.out_bytes = client.in_bytes = to_client;
  struct end *ends[] = {&broker, &client};
  for (int index = 0; index < 2; index++) {
    ends[index]->written = ends[index]->read = 0;
    ends[index]->seed = expect_seed + (unsigned)index;
    EXPECT(sem_init(&ends[index]->bell, 0, 0) == 0);
  }
  pthread_t thread;
  EXPECT(pthread_create(&thread, NULL, work, &client) == 0);
  work(&broker);
  EXPECT(pthread_join(thread, NULL) == 0);
  for (int index = 0; index < 2; index++) EXPECT(sem_destroy(&ends[index]->bell) == 0);
  close_ends();
}

/*
 * The litmus of the lost wake-up. A ring of one byte is empty (or full) as a round begins; one thread would rest, the
 * other writes it (or reads it).
 *
 *     rests (saw nothing)   moves, and rings nobody (saw nobody rest)   never: nobody would wake it
 *     rests                 moves, and rings                            allowed
 *     saw what was moved    moves, and rings nobody                     allowed
 *     saw what was moved    moves, and rings                            allowed, a bell for nothing
 */
static atomic_uint turn;

/* Spins for a while before it gives the processor away: both are to leave at the same instant. */
static void meet(unsigned place) {
  atomic_fetch_add(&turn, 1);
  for (unsigned spins = 0; atomic_load(&turn) < place; spins++) {
    if (spins >= SPINS_MAX) sched_yield();
  }
}

static bool rests;

/* Writes a byte, or there is no room for it. */
static size_t write_one(struct end *end, int *result) {
  size_t taken;
  *result = ringbus_pair_write(&end->pair, "x", 1, &taken);
  EXPECT(*result >= 0);
  return taken;
}

static size_t read_one(struct end *end, int *result) {
  char byte = 'x';
  size_t taken;
  *result = ringbus_pair_read(&end->pair, &byte, 1, &taken);
  EXPECT(*result >= 0 && byte == 'x');
  return taken;
}

static bool rests_for_bytes(void) { return ringbus_pair_rest(&broker.pair) == 0; }

static bool rests_for_room(void) {
  int result;
  return write_one(&broker, &result) == 0;
}

static void *rest(void *argument) {
  bool (*would_rest)(void) = *(bool (**)(void))argument;
  for (unsigned round = 0; round < LITMUS_ROUNDS; round++) {
    meet(4 * round + 2);
    /* The other one has more to do before its store. */
    for (volatile unsigned delay = round % DELAYS; delay > 0; delay--) continue;
    rests = would_rest();
    meet(4 * round + 4);
  }
  return NULL;
}

static void open_tiny(void) {
  open_ends(0);
  broker.pair.capacity = client.pair.capacity = TINY;
  atomic_store(&turn, 0);
}

static void close_tiny(void) {
  broker.pair.capacity = client.pair.capacity = CAPACITY;
  close_ends();
}

static void test_no_wake_up_for_bytes_is_lost(void) {
  open_tiny();
  bool (*would_rest)(void) = rests_for_bytes;
  pthread_t reader;
  EXPECT(pthread_create(&reader, NULL, rest, &would_rest) == 0);
  for (unsigned round = 0; round < LITMUS_ROUNDS; round++) {
    int bell, unused;
    atomic_store(pair_word(&client.pair, 0, ASLEEP), 0);
    meet(4 * round + 2);
    EXPECT(write_one(&client, &bell) == 1);
    meet(4 * round + 4);
    EXPECT(!rests || bell == RINGBUS_BELL);
    EXPECT(read_one(&broker, &unused) == 1);
  }
  EXPECT(pthread_join(reader, NULL) == 0);
  close_tiny();
}

static void test_no_wake_up_for_room_is_lost(void) {
  open_tiny();
  bool (*would_rest)(void) = rests_for_room;
  int bell, unused;
  pthread_t writer;
  EXPECT(pthread_create(&writer, NULL, rest, &would_rest) == 0);
  for (unsigned round = 0; round < LITMUS_ROUNDS; round++) {
    /* Full again, unless the other thread has written already. */
    if (round == 0 || rests) EXPECT(write_one(&broker, &unused) == 1);
    atomic_store(pair_word(&client.pair, 1, FULL), 0);
    meet(4 * round + 2);
    EXPECT(read_one(&client, &bell) == 1);
    meet(4 * round + 4);
    EXPECT(!rests || bell == RINGBUS_BELL);
  }
  EXPECT(pthread_join(writer, NULL) == 0);
  close_tiny();
}

int main(void) {
  static const uint64_t many = 8u << 20;
  alarm(WATCHDOG_S);
  expect_seed = random_seed();
  test_two_threads(many, 0, 0);
  test_two_threads(0, many, 0u - CAPACITY / 2);
  test_two_threads(many, many / 2, 0u - (uint32_t)many / 3);
  test_no_wake_up_for_bytes_is_lost();
  test_no_wake_up_for_room_is_lost();
  return 0;
}
