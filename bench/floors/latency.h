/* One message at a time: from the call that sends it to having it back by way of a relay. */
#ifndef FLOORS_LATENCY_H
#define FLOORS_LATENCY_H

#include "mechanism.h"

struct latency_order {
  const struct mechanism *mechanism;
  size_t message_bytes;
  /* Messages before those that count. */
  size_t warmup_count;
  size_t count;
  /*
   * Wake-ups within one value. Two: to the relay and back, as a message that is published. Four: twice that, as a
   * request and its reply by way of the relay.
   */
  unsigned hops;
  /* Client and relay on a processor each, which is woken from idleness with them; otherwise both may share one. */
  bool is_apart;
  unsigned timeout_s;
};

/* Prints what the relay has had, and the values, sorted, as pairs of nanoseconds and how often they were seen. */
enum status measure_latency(const struct latency_order *order);

#endif
