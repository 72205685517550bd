#define _GNU_SOURCE
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "message.h"
#include "supervisor.h"

/* In memory that the processes have in common. */
struct latency_result {
  /* Messages that have come by the relay. */
  uint64_t relayed;
  /* Of each message that counts. */
  uint64_t values_ns[];
};

struct latency_task {
  const struct latency_order *order;
  struct route route;
  struct latency_result *result;
};

/* A process with two connections: it sends by one and receives by the other. */
static void run_client(void *task) {
  struct latency_task *latency = task;
  const struct latency_order *order = latency->order;
  const size_t bytes = order->message_bytes;
  uint64_t *values_ns = latency->result->values_ns;
  unsigned char *sent = make_messages(bytes);
  unsigned char *received = make_messages(bytes);
  if (sent == NULL || received == NULL) die("malloc");
  for (size_t index = 0; index < order->warmup_count + order->count; index++) {
    number_message(sent, bytes, index);
    const uint64_t start_ns = now_ns();
    for (unsigned hop = 0; hop < order->hops; hop += 2) {
      order->mechanism->send(&latency->route.in, sent, bytes);
      order->mechanism->receive(&latency->route.out, received, bytes);
    }
    const uint64_t end_ns = now_ns();
    if (memcmp(sent, received, bytes) != 0) die_because("a message arrived damaged");
    if (index >= order->warmup_count) values_ns[index - order->warmup_count] = end_ns - start_ns;
  }
  free_messages(sent);
  free_messages(received);
}

/* Has all of a message before it sends it on, as a broker has. */
static void run_relay(void *task) {
  struct latency_task *latency = task;
  const struct mechanism *mechanism = latency->order->mechanism;
  const size_t bytes = mechanism->is_in_place ? 0 : latency->order->message_bytes;
  unsigned char *message = make_messages(bytes);
  if (message == NULL) die("malloc");
  for (;;) {
    mechanism->receive(&latency->route.in, message, bytes);
    latency->result->relayed += 1;
    mechanism->send(&latency->route.out, message, bytes);
  }
}

static int by_value(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left;
  const uint64_t b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

static void print_pairs(const uint64_t *sorted, size_t count) {
  for (size_t start = 0, end; start < count; start = end) {
    for (end = start + 1; end < count && sorted[end] == sorted[start];) end++;
    printf("%s[%" PRIu64 ",%zu]", start == 0 ? "" : ",", sorted[start], end - start);
  }
}

static void report(const struct latency_order *order, struct latency_result *result) {
  qsort(result->values_ns, order->count, sizeof result->values_ns[0], by_value);
  printf("{\"mechanism\":\"%s\",\"bytes\":%zu,\"count\":%zu,\"relayed\":%" PRIu64 ",\"ns\":[",
         order->mechanism->name, order->message_bytes, order->count, result->relayed);
  print_pairs(result->values_ns, order->count);
  printf("]}\n");
}

static enum status measure_on(struct latency_task *latency) {
  const struct latency_order *order = latency->order;
  const enum status opened = order->mechanism->open(&latency->route, order->message_bytes);
  if (opened != STATUS_OK) return opened;
  const struct role roles[] = {
    { .name = "client", .run = run_client, .is_apart = order->is_apart },
    { .name = "relay", .run = run_relay, .is_endless = true, .is_apart = order->is_apart },
  };
  const enum status status = supervise(roles, sizeof roles / sizeof roles[0], latency, order->timeout_s);
  if (status == STATUS_OK) report(order, latency->result);
  return status;
}

enum status measure_latency(const struct latency_order *order) {
  const size_t result_bytes = sizeof(struct latency_result) + order->count * sizeof(uint64_t);
  struct latency_task latency = { .order = order, .result = map_for_all(result_bytes) };
  if (latency.result == NULL) return failed("mmap");
  route_init(&latency.route);
  const enum status status = measure_on(&latency);
  order->mechanism->close(&latency.route);
  munmap(latency.result, result_bytes);
  return status;
}
