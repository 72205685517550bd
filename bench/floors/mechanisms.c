#include "mechanism.h"

#include <string.h>
#include <unistd.h>

const struct mechanism *const MECHANISMS[] = {
  &futex_mechanism, &socket_mechanism,     &socket_epoll_mechanism, &pipe_mechanism,
  &fifo_mechanism,  &sysv_queue_mechanism, &posix_queue_mechanism,  NULL,
};

static const struct channel CLOSED = { .source = -1, .sink = -1, .source_epoll = -1, .sink_epoll = -1 };

const struct mechanism *mechanism_named(const char *name) {
  for (const struct mechanism *const *each = MECHANISMS; *each != NULL; each++) {
    if (strcmp((*each)->name, name) == 0) return *each;
  }
  return NULL;
}

void route_init(struct route *route) {
  route->in = CLOSED;
  route->out = CLOSED;
}

enum status open_both(struct route *route, enum status (*open_one)(struct channel *channel)) {
  enum status status = open_one(&route->in);
  return status == STATUS_OK ? open_one(&route->out) : status;
}

static void close_channel(struct channel *channel) {
  const int descriptors[] = { channel->source, channel->sink, channel->source_epoll, channel->sink_epoll };
  for (size_t index = 0; index < sizeof descriptors / sizeof descriptors[0]; index++) {
    if (descriptors[index] >= 0) close(descriptors[index]);
  }
  *channel = CLOSED;
}

void close_descriptors(struct route *route) {
  close_channel(&route->in);
  close_channel(&route->out);
}
