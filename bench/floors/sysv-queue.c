/*
 * A System V message queue for each direction. Unlike shared memory it is gone at once when it is removed, so that
 * is done at the end, whatever the end was; only SIGKILL to the process that has made it leaves it behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "limit.h"
#include "mechanism.h"

/* Every message needs a type above 0, in a long before its bytes. */
#define MESSAGE_TYPE 1L

_Static_assert(sizeof(long) <= MESSAGE_HEADROOM_BYTES, "the type lies before the message");

static enum status open_queue(struct channel *channel) {
  const int queue = msgget(IPC_PRIVATE, 0600);
  if (queue < 0 && errno == ENOSYS) return refused(STATUS_IMPOSSIBLE, "this kernel has no System V queues");
  if (queue < 0 && errno == ENOSPC) return refused(STATUS_IMPOSSIBLE, "all System V queues are in use");
  if (queue < 0) return failed("msgget");
  channel->source = queue;
  channel->sink = queue;
  return STATUS_OK;
}

static enum status open_queues(struct route *route, size_t message_bytes) {
  enum status status = within_limit(message_bytes, "/proc/sys/kernel/msgmax");
  if (status == STATUS_OK) status = within_limit(message_bytes, "/proc/sys/kernel/msgmnb");
  return status == STATUS_OK ? open_both(route, open_queue) : status;
}

static void close_queues(struct route *route) {
  if (route->in.source >= 0) msgctl(route->in.source, IPC_RMID, NULL);
  if (route->out.source >= 0) msgctl(route->out.source, IPC_RMID, NULL);
  route_init(route);
}

static void send_message(struct channel *channel, const unsigned char *bytes, size_t length) {
  while (msgsnd(channel->sink, bytes - sizeof(long), length, 0) != 0) {
    if (errno != EINTR) die("msgsnd");
  }
}

static void receive_message(struct channel *channel, unsigned char *bytes, size_t length) {
  ssize_t got;
  do {
    got = msgrcv(channel->source, bytes - sizeof(long), length, 0, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) die("msgrcv");
  if ((size_t)got != length) die_because("msgrcv: a message of another size");
}

const struct mechanism sysv_queue_mechanism = {
  .name = "sysv-queue",
  .open = open_queues,
  .send = send_message,
  .receive = receive_message,
  .close = close_queues,
};
