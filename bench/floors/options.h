/* The command line. */
#ifndef FLOORS_OPTIONS_H
#define FLOORS_OPTIONS_H

#include "mechanism.h"

struct options {
  size_t message_bytes;
  size_t count;
  size_t warmup_count;
  unsigned hops;
  bool is_apart;
  unsigned duration_ms;
  unsigned warmup_ms;
  size_t batch_bytes;
  unsigned timeout_s;
};

extern const char USAGE[];

/* Takes what follows the command and its mechanism. */
enum status parse_options(int count, char *const *arguments, struct options *options);

#endif
