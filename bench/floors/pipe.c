#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "mechanism.h"
#include "stream.h"

static enum status open_pipe(struct channel *channel) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failed("pipe2");
  channel->source = ends[0];
  channel->sink = ends[1];
  return STATUS_OK;
}

static enum status open_pipes(struct route *route, size_t message_bytes) {
  (void)message_bytes;
  return open_both(route, open_pipe);
}

const struct mechanism pipe_mechanism = {
  .name = "pipe",
  .is_stream = true,
  .open = open_pipes,
  .send = write_all,
  .receive = read_all,
  .close = close_descriptors,
};
