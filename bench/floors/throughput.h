/* As many messages as get from a publisher by way of a relay to a subscriber, a process each. */
#ifndef FLOORS_THROUGHPUT_H
#define FLOORS_THROUGHPUT_H

#include "mechanism.h"

struct throughput_order {
  const struct mechanism *mechanism;
  size_t message_bytes;
  /* Of streams: what is written at once, in whole messages, one at least. */
  size_t batch_bytes;
  unsigned warmup_ms;
  unsigned duration_ms;
  unsigned timeout_s;
};

/* Prints how many messages came after the warm-up, and the nanoseconds from then to the last one handled. */
enum status measure_throughput(const struct throughput_order *order);

#endif
