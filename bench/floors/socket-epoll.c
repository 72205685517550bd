/* The same sockets, never blocking: whoever waits sleeps in epoll_wait, as event loops do, and reads then. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mechanism.h"

static int epoll_for(int descriptor, uint32_t events) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return -1;
  struct epoll_event event = { .events = events };
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0) return epoll;
  close(epoll);
  return -1;
}

static enum status open_pair(struct channel *channel) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
  channel->source = ends[0];
  channel->sink = ends[1];
  channel->source_epoll = epoll_for(channel->source, EPOLLIN);
  channel->sink_epoll = epoll_for(channel->sink, EPOLLOUT);
  return channel->source_epoll < 0 || channel->sink_epoll < 0 ? failed("epoll") : STATUS_OK;
}

static enum status open_sockets(struct route *route, size_t message_bytes) {
  (void)message_bytes;
  return open_both(route, open_pair);
}

static void sleep_in(int epoll) {
  struct epoll_event event;
  while (epoll_wait(epoll, &event, 1, -1) < 0) {
    if (errno != EINTR) die("epoll_wait");
  }
}

/* Sleeps only when the socket is full, as event loops do. */
static void send_all(struct channel *channel, const unsigned char *bytes, size_t length) {
  while (length > 0) {
    const ssize_t written = write(channel->sink, bytes, length);
    if (written >= 0) {
      bytes += written;
      length -= (size_t)written;
    } else if (errno == EAGAIN) {
      sleep_in(channel->sink_epoll);
    } else if (errno != EINTR) {
      die("write");
    }
  }
}

static void receive_all(struct channel *channel, unsigned char *bytes, size_t length) {
  while (length > 0) {
    sleep_in(channel->source_epoll);
    const ssize_t got = read(channel->source, bytes, length);
    if (got > 0) {
      bytes += got;
      length -= (size_t)got;
    } else if (got == 0) {
      die_because("read: the other end is closed");
    } else if (errno != EAGAIN && errno != EINTR) {
      die("read");
    }
  }
}

const struct mechanism socket_epoll_mechanism = {
  .name = "socket-epoll",
  .is_single = true,
  .open = open_sockets,
  .send = send_all,
  .receive = receive_all,
  .close = close_descriptors,
};
