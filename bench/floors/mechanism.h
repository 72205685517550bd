/*
 * What a mechanism of the kernel must offer to be measured. A route is made before the processes are forked, which
 * inherit it:
 *
 *   publisher -- in --> relay -- out --> subscriber
 *
 * For latency, publisher and subscriber are one process, as they are where one program has two connections.
 * Nobody ever spins: whoever waits sleeps in the kernel.
 */
#ifndef FLOORS_MECHANISM_H
#define FLOORS_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* A message has as many bytes before it, which a mechanism may use for a header of its own. */
#define MESSAGE_HEADROOM_BYTES 16

struct futex_word;

/* One direction, from one process to one other. */
struct channel {
  /* What is read and what is written: descriptors, or the number of a System V queue in both; -1: not open. */
  int source;
  int sink;
  /* Of `socket-epoll`: sleeps for the source, and for the sink. -1: not open. */
  int source_epoll;
  int sink_epoll;
  /* Of `futex`. */
  struct futex_word *word;
  unsigned char *payload;
  /* What the word becomes with the next message; each process has its own copy. */
  uint32_t next;
};

struct route {
  struct channel in;
  struct channel out;
};

struct mechanism {
  const char *name;
  /* Bytes flow without boundaries: several messages may be written, and passed on, at once. */
  bool is_stream;
  /* Only one message at a time goes through it, so there is no throughput to speak of. */
  bool is_single;
  /* The payload lies where all processes see it: a relay passes on only that it is there. */
  bool is_in_place;
  /* For messages of so many bytes. What it has opened when it fails is closed by `close`. */
  enum status (*open)(struct route *route, size_t message_bytes);
  /* In the processes: all of it, however long that takes. */
  void (*send)(struct channel *channel, const unsigned char *bytes, size_t length);
  void (*receive)(struct channel *channel, unsigned char *bytes, size_t length);
  /* In the process that has opened it, once the others are gone. */
  void (*close)(struct route *route);
};

extern const struct mechanism futex_mechanism;
extern const struct mechanism socket_mechanism;
extern const struct mechanism socket_epoll_mechanism;
extern const struct mechanism pipe_mechanism;
extern const struct mechanism fifo_mechanism;
extern const struct mechanism sysv_queue_mechanism;
extern const struct mechanism posix_queue_mechanism;

/* All of them; NULL ends the list. */
extern const struct mechanism *const MECHANISMS[];

/* NULL: there is none of that name. */
const struct mechanism *mechanism_named(const char *name);

/* A route with nothing open. */
void route_init(struct route *route);

/* For what each direction has alone: opens one, then the other. */
enum status open_both(struct route *route, enum status (*open_one)(struct channel *channel));

/* Closes all descriptors of a route. */
void close_descriptors(struct route *route);

#endif
