/* memcpy, message by message, between areas that no cache holds. */
#ifndef FLOORS_COPY_H
#define FLOORS_COPY_H

#include <stddef.h>

#include "status.h"

struct copy_order {
  size_t message_bytes;
  unsigned duration_ms;
  unsigned timeout_s;
};

/* Prints how many messages were copied, and in how many nanoseconds. */
enum status measure_copy(const struct copy_order *order);

#endif
