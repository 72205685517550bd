#define _GNU_SOURCE
#include <sys/socket.h>

#include "ringbus_host.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: Node.js ignores SIGPIPE for the whole process */
#endif

int ringbus_set_send_buffer(int fd, int bytes, const char **failed_call) {
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0) return 0;
  *failed_call = "setsockopt";
  return -errno;
}

int ringbus_send(int fd, const void *bytes, size_t length, size_t *sent, const char **failed_call) {
  *sent = 0;
  ssize_t result;
  do {
    result = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (result < 0 && errno == EINTR);
  if (result >= 0) {
    *sent = (size_t)result;
    return 0;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
  if (errno == EPIPE || errno == ECONNRESET) return RINGBUS_PEER_GONE;
  *failed_call = "send";
  return -errno;
}
