/* A POSIX message queue for each direction, whose name is gone again before the first message. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <unistd.h>

#include "limit.h"
#include "mechanism.h"

/* As many as an unprivileged process may have where nobody has changed fs.mqueue.msg_max. */
#define QUEUED_MESSAGES_MAX 10

#define NAME_BYTES_MAX 32

static enum status open_queue(struct channel *channel, size_t message_bytes) {
  char name[NAME_BYTES_MAX];
  snprintf(name, sizeof name, "/floors-%ld", (long)getpid());
  struct mq_attr attributes = { .mq_maxmsg = QUEUED_MESSAGES_MAX, .mq_msgsize = (long)message_bytes };
  const mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
  if (queue < 0 && errno == ENOSYS) return refused(STATUS_IMPOSSIBLE, "this kernel has no POSIX queues");
  if (queue < 0 && errno == EMFILE) {
    return refused(STATUS_IMPOSSIBLE, "a user may not have as much in POSIX queues (ulimit -q)");
  }
  if (queue < 0) return failed("mq_open");
  mq_unlink(name);
  channel->source = queue;
  channel->sink = queue;
  return STATUS_OK;
}

static enum status open_queues(struct route *route, size_t message_bytes) {
  enum status status = within_limit(message_bytes, "/proc/sys/fs/mqueue/msgsize_max");
  if (status == STATUS_OK) status = open_queue(&route->in, message_bytes);
  return status == STATUS_OK ? open_queue(&route->out, message_bytes) : status;
}

static void close_queues(struct route *route) {
  if (route->in.source >= 0) mq_close(route->in.source);
  if (route->out.source >= 0) mq_close(route->out.source);
  route_init(route);
}

static void send_message(struct channel *channel, const unsigned char *bytes, size_t length) {
  while (mq_send(channel->sink, (const char *)bytes, length, 0) != 0) {
    if (errno != EINTR) die("mq_send");
  }
}

static void receive_message(struct channel *channel, unsigned char *bytes, size_t length) {
  ssize_t got;
  do {
    got = mq_receive(channel->source, (char *)bytes, length, NULL);
  } while (got < 0 && errno == EINTR);
  if (got < 0) die("mq_receive");
  if ((size_t)got != length) die_because("mq_receive: a message of another size");
}

const struct mechanism posix_queue_mechanism = {
  .name = "posix-queue",
  .open = open_queues,
  .send = send_message,
  .receive = receive_message,
  .close = close_queues,
};
