/* Unix stream sockets, a pair for each direction, with the buffers that they have by default. */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "mechanism.h"
#include "stream.h"

static enum status open_pair(struct channel *channel) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
  channel->source = ends[0];
  channel->sink = ends[1];
  return STATUS_OK;
}

static enum status open_sockets(struct route *route, size_t message_bytes) {
  (void)message_bytes;
  return open_both(route, open_pair);
}

const struct mechanism socket_mechanism = {
  .name = "socket",
  .is_stream = true,
  .open = open_sockets,
  .send = write_all,
  .receive = read_all,
  .close = close_descriptors,
};
