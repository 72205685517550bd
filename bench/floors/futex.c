/*
 * One word of memory for each direction, and one payload for both: the publisher copies its message in, the relay
 * has only the words, the subscriber copies the message out. That is what two kernel wake-ups take, and little else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mechanism.h"

/* Two words on one cache line would slow each other down. */
#define LINE_BYTES 64

struct futex_word {
  /* How many messages were sent, modulo 2^32. */
  _Alignas(LINE_BYTES) _Atomic uint32_t sent;
};

struct area {
  struct futex_word in;
  struct futex_word out;
  /* How many bytes are mapped. */
  size_t bytes;
  _Alignas(LINE_BYTES) unsigned char payload[];
};

static struct area *area_of(struct futex_word *in) {
  return (struct area *)in;
}

static enum status open_futexes(struct route *route, size_t message_bytes) {
  const size_t bytes = sizeof(struct area) + message_bytes;
  struct area *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return failed("mmap");
  area->bytes = bytes;
  route->in.word = &area->in;
  route->out.word = &area->out;
  route->in.payload = area->payload;
  route->out.payload = area->payload;
  return STATUS_OK;
}

static void close_futexes(struct route *route) {
  if (route->in.word == NULL) return;
  struct area *area = area_of(route->in.word);
  munmap(area, area->bytes);
  route_init(route);
}

/* Without FUTEX_PRIVATE_FLAG, for the word is known to several processes. */
static long futex(struct futex_word *word, int operation, uint32_t value) {
  return syscall(SYS_futex, &word->sent, operation, value, NULL, NULL, 0);
}

/* Releases the payload to the process that acquires the word in `await`. */
static void signal_next(struct channel *channel) {
  channel->next += 1;
  atomic_store_explicit(&channel->word->sent, channel->next, memory_order_release);
  if (futex(channel->word, FUTEX_WAKE, 1) < 0) die("futex");
}

static void await_next(struct channel *channel) {
  channel->next += 1;
  uint32_t sent;
  while ((sent = atomic_load_explicit(&channel->word->sent, memory_order_acquire)) != channel->next) {
    if (futex(channel->word, FUTEX_WAIT, sent) < 0 && errno != EAGAIN && errno != EINTR) die("futex");
  }
}

static void send_message(struct channel *channel, const unsigned char *bytes, size_t length) {
  memcpy(channel->payload, bytes, length);
  signal_next(channel);
}

static void receive_message(struct channel *channel, unsigned char *bytes, size_t length) {
  await_next(channel);
  memcpy(bytes, channel->payload, length);
}

const struct mechanism futex_mechanism = {
  .name = "futex",
  .is_single = true,
  .is_in_place = true,
  .open = open_futexes,
  .send = send_message,
  .receive = receive_message,
  .close = close_futexes,
};
