#define _GNU_SOURCE
#include "copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "supervisor.h"

/* Twice as much as most caches hold, for source and destination each. */
#define AREA_BYTES ((size_t)64 * 1024 * 1024)

/* Between two looks at the clock, which would weigh on small messages. */
#define BYTES_PER_LOOK ((size_t)1024 * 1024)

struct copy_result {
  uint64_t messages;
  uint64_t ns;
};

struct copy_task {
  const struct copy_order *order;
  struct copy_result *result;
};

/* Between two areas that have their memory already, from the first message on to the last and again. */
static void run_copier(void *task) {
  struct copy_task *copy = task;
  const size_t bytes = copy->order->message_bytes;
  const size_t per_area = AREA_BYTES / bytes;
  const size_t per_look = bytes < BYTES_PER_LOOK ? BYTES_PER_LOOK / bytes : 1;
  unsigned char *source = map_for_all(AREA_BYTES);
  unsigned char *destination = map_for_all(AREA_BYTES);
  if (source == NULL || destination == NULL) die("mmap");
  memset(source, 1, AREA_BYTES);
  memset(destination, 2, AREA_BYTES);
  uint64_t messages = 0;
  const uint64_t start_ns = now_ns();
  uint64_t now = start_ns;
  for (size_t place = 0; now < start_ns + copy->order->duration_ms * NS_PER_MS; now = now_ns()) {
    for (size_t index = 0; index < per_look; index++) {
      memcpy(destination + place * bytes, source + place * bytes, bytes);
      place = place + 1 == per_area ? 0 : place + 1;
    }
    messages += per_look;
  }
  if (memcmp(destination, source, bytes) != 0) die_because("a message was copied wrongly");
  *copy->result = (struct copy_result){ .messages = messages, .ns = now - start_ns };
}

static const struct role ROLES[] = { { .name = "copier", .run = run_copier } };

enum status measure_copy(const struct copy_order *order) {
  struct copy_task copy = { .order = order, .result = map_for_all(sizeof(struct copy_result)) };
  if (copy.result == NULL) return failed("mmap");
  const enum status status = supervise(ROLES, 1, &copy, order->timeout_s);
  if (status == STATUS_OK) {
    printf("{\"mechanism\":\"memcpy\",\"bytes\":%zu,\"messages\":%" PRIu64 ",\"ns\":%" PRIu64 "}\n",
           order->message_bytes, copy.result->messages, copy.result->ns);
  }
  munmap(copy.result, sizeof(struct copy_result));
  return status;
}
