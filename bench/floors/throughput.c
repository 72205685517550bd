#define _GNU_SOURCE
#include "throughput.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "message.h"
#include "stream.h"
#include "supervisor.h"

/* What a relay or a subscriber of a stream reads at once, if there is as much. */
#define CHUNK_BYTES ((size_t)256 * 1024)

/* In memory that the processes have in common. */
struct throughput_result {
  /* By the publisher: when the warm-up was over, and what it had sent by then. */
  uint64_t start_ns;
  uint64_t warmup_count;
  /* By the subscriber: when it had handled the last message, and how many it had. */
  uint64_t end_ns;
  uint64_t received;
};

struct throughput_task {
  const struct throughput_order *order;
  struct route route;
  struct throughput_result *result;
};

static size_t messages_per_write(const struct throughput_order *order) {
  if (!order->mechanism->is_stream || order->batch_bytes < order->message_bytes) return 1;
  return order->batch_bytes / order->message_bytes;
}

static void run_publisher(void *task) {
  struct throughput_task *throughput = task;
  const struct throughput_order *order = throughput->order;
  struct throughput_result *result = throughput->result;
  const size_t bytes = order->message_bytes;
  const size_t batch = messages_per_write(order);
  unsigned char *messages = make_messages(batch * bytes);
  if (messages == NULL) die("malloc");
  uint64_t sent = 0;
  const uint64_t warm_ns = now_ns() + order->warmup_ms * NS_PER_MS;
  uint64_t end_ns = UINT64_MAX;
  for (bool is_last = false; !is_last;) {
    const uint64_t now = now_ns();
    if (end_ns == UINT64_MAX && now >= warm_ns) {
      result->start_ns = now;
      result->warmup_count = sent;
      end_ns = now + order->duration_ms * NS_PER_MS;
    }
    is_last = now >= end_ns;
    for (size_t index = 0; index < batch; index++) {
      const uint64_t mark = is_last && index == batch - 1 ? LAST_MESSAGE : 0;
      number_message(messages + index * bytes, bytes, sent++ | mark);
    }
    order->mechanism->send(&throughput->route.in, messages, batch * bytes);
  }
  free_messages(messages);
}

static void run_stream_relay(struct route *route) {
  unsigned char *chunk = make_messages(CHUNK_BYTES);
  if (chunk == NULL) die("malloc");
  for (;;) write_all(&route->out, chunk, read_some(&route->in, chunk, CHUNK_BYTES));
}

static void run_relay(void *task) {
  struct throughput_task *throughput = task;
  const struct mechanism *mechanism = throughput->order->mechanism;
  if (mechanism->is_stream) run_stream_relay(&throughput->route);
  const size_t bytes = throughput->order->message_bytes;
  unsigned char *message = make_messages(bytes);
  if (message == NULL) die("malloc");
  for (;;) {
    mechanism->receive(&throughput->route.in, message, bytes);
    mechanism->send(&throughput->route.out, message, bytes);
  }
}

/* Takes one message; whether it is the last. */
static bool take(struct throughput_result *result, const unsigned char *message, size_t bytes) {
  const uint64_t number = message_number(message);
  if (!is_whole(message, bytes)) die_because("a message arrived damaged");
  if ((number & ~LAST_MESSAGE) != result->received) die_because("a message is missing or out of order");
  result->received += 1;
  if ((number & LAST_MESSAGE) == 0) return false;
  result->end_ns = now_ns();
  return true;
}

/* Reads as much as there is; the beginning of a message waits at the front for its end. */
static void subscribe_to_stream(struct throughput_task *throughput) {
  const size_t bytes = throughput->order->message_bytes;
  const size_t capacity = bytes + CHUNK_BYTES;
  unsigned char *buffer = make_messages(capacity);
  if (buffer == NULL) die("malloc");
  bool is_last = false;
  for (size_t filled = 0; !is_last;) {
    filled += read_some(&throughput->route.out, buffer + filled, capacity - filled);
    size_t taken = 0;
    for (; filled - taken >= bytes && !is_last; taken += bytes) {
      is_last = take(throughput->result, buffer + taken, bytes);
    }
    filled -= taken;
    memmove(buffer, buffer + taken, filled);
  }
  free_messages(buffer);
}

static void run_subscriber(void *task) {
  struct throughput_task *throughput = task;
  const struct mechanism *mechanism = throughput->order->mechanism;
  if (mechanism->is_stream) return subscribe_to_stream(throughput);
  const size_t bytes = throughput->order->message_bytes;
  unsigned char *message = make_messages(bytes);
  if (message == NULL) die("malloc");
  do mechanism->receive(&throughput->route.out, message, bytes);
  while (!take(throughput->result, message, bytes));
  free_messages(message);
}

static const struct role ROLES[] = {
  { .name = "subscriber", .run = run_subscriber },
  { .name = "relay", .run = run_relay, .is_endless = true },
  { .name = "publisher", .run = run_publisher },
};

static void report(const struct throughput_order *order, const struct throughput_result *result) {
  printf("{\"mechanism\":\"%s\",\"bytes\":%zu,\"messages\":%" PRIu64 ",\"ns\":%" PRIu64 "}\n",
         order->mechanism->name, order->message_bytes, result->received - result->warmup_count,
         result->end_ns - result->start_ns);
}

static enum status measure_on(struct throughput_task *throughput) {
  const struct throughput_order *order = throughput->order;
  const enum status opened = order->mechanism->open(&throughput->route, order->message_bytes);
  if (opened != STATUS_OK) return opened;
  const enum status status = supervise(ROLES, sizeof ROLES / sizeof ROLES[0], throughput, order->timeout_s);
  if (status == STATUS_OK) report(order, throughput->result);
  return status;
}

enum status measure_throughput(const struct throughput_order *order) {
  if (order->mechanism->is_single) {
    return refused(STATUS_USAGE, "%s takes one message at a time and has no throughput", order->mechanism->name);
  }
  struct throughput_result *result = map_for_all(sizeof *result);
  struct throughput_task throughput = { .order = order, .result = result };
  if (result == NULL) return failed("mmap");
  route_init(&throughput.route);
  const enum status status = measure_on(&throughput);
  order->mechanism->close(&throughput.route);
  munmap(result, sizeof *result);
  return status;
}
