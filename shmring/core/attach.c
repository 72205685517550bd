#ifdef __linux__
#define _GNU_SOURCE
#include "ringbus_attach.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"
#include "ringbus_kill_point.h"

/* As many as one message can carry (SCM_MAX_FD), so that a cut control part means one thing only: there was no
 * number left for a descriptor. */
#define DESCRIPTORS_MAX 253

/* A listener whose backlog is full says so at once, and poll cannot wait for it. */
#define CONNECT_PAUSE_MS 5

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 when the socket is ready for `events`, or has ended, which the next call will tell. */
static int wait_for(int fd, short events, int64_t deadline_ms, const char **failed_call) {
  for (;;) {
    int64_t left_ms = deadline_ms - now_ms();
    if (left_ms <= 0) return refusal(-ETIMEDOUT, "poll", failed_call);
    struct pollfd watched = {.fd = fd, .events = events};
    int result = poll(&watched, 1, (int)left_ms);
    if (result > 0) return 0;
    if (result < 0 && errno != EINTR) return failure("poll", failed_call);
  }
}

static int connect_to(int fd, const char *path, int64_t deadline_ms, const char **failed_call) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return refusal(-ENAMETOOLONG, "connect", failed_call);
  memcpy(address.sun_path, path, length);
  while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) return failure("connect", failed_call);
    if (now_ms() >= deadline_ms) return refusal(-ETIMEDOUT, "connect", failed_call);
    poll(NULL, 0, CONNECT_PAUSE_MS);
  }
  return 0;
}

/* A peer that has hung up already may have said why: the answer is read all the same. */
static int send_all(int fd, const char *bytes, size_t length, int64_t deadline_ms, const char **failed_call) {
  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes += sent;
      length -= (size_t)sent;
    } else if (errno == EAGAIN) {
      int result = wait_for(fd, POLLOUT, deadline_ms, failed_call);
      if (result < 0) return result;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return 0;
    } else if (errno != EINTR) {
      return failure("send", failed_call);
    }
  }
  return 0;
}

/* Keeps the first descriptor in answer->fd and closes all others; returns how many there were. */
static int take_descriptors(struct msghdr *message, struct ringbus_answer *answer) {
  int count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t descriptors = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < descriptors; index++, count++) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + index * sizeof fd, sizeof fd);
      if (answer->fd < 0)
        answer->fd = fd;
      else
        close(fd);
    }
  }
  return count;
}

/* Receives what is there: more than 0 bytes, 0 at the end of the stream. */
static int receive(int fd, struct ringbus_answer *answer, const char **failed_call) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
  } control;
  struct iovec part = {.iov_base = answer->bytes + answer->length,
                       .iov_len = sizeof answer->bytes - answer->length};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received < 0) return failure("recvmsg", failed_call);
  bool had_one = answer->fd >= 0;
  int count = take_descriptors(&message, answer);
  if (message.msg_flags & MSG_CTRUNC) return refusal(-EMFILE, "recvmsg", failed_call);
  if (count + had_one > 1) return refusal(-EPROTO, "recvmsg", failed_call);
  answer->length += (size_t)received;
  return (int)received;
}

/* How many bytes the answer has by its own account; 0 while that cannot be told. */
static uint64_t announced_length(const struct ringbus_answer *answer) {
  const unsigned char *bytes = answer->bytes;
  if (answer->length < 4) return 0;
  uint64_t length =
      bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 24;
  return (length + 3) / 4 * 4;
}

/* 0 once a whole frame is there or the stream has ended; what follows the frame is cut. */
static int receive_answer(int fd, struct ringbus_answer *answer, int64_t deadline_ms, const char **failed_call) {
  for (;;) {
    int result = wait_for(fd, POLLIN, deadline_ms, failed_call);
    if (result < 0) return result;
    result = receive(fd, answer, failed_call);
    if (result == 0) return 0;
    if (result == -EAGAIN || result == -EINTR) continue;
    if (result < 0) return result;
    uint64_t length = announced_length(answer);
    if (length > sizeof answer->bytes) return refusal(-EMSGSIZE, "recvmsg", failed_call);
    if (length == 0 || answer->length < length) continue;
    answer->length = (size_t)length;
    return 0;
  }
}

static int exchange(int fd, const char *path, const void *request, size_t length, int64_t deadline_ms,
                    struct ringbus_answer *answer, const char **failed_call) {
  int result = connect_to(fd, path, deadline_ms, failed_call);
  if (result == 0) result = send_all(fd, request, length, deadline_ms, failed_call);
  if (result == 0) result = receive_answer(fd, answer, deadline_ms, failed_call);
  if (result == 0 && answer->fd >= 0) ringbus_kill_point("client:attached");
  return result;
}

int ringbus_attach(const char *path, const void *request, size_t length, int timeout_ms,
                   struct ringbus_answer *answer, const char **failed_call) {
  ringbus_kill_point("client:before-attach");
  answer->fd = -1;
  answer->length = 0;
  int64_t deadline_ms = now_ms() + timeout_ms;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failure("socket", failed_call);
  int result = exchange(fd, path, request, length, deadline_ms, answer, failed_call);
  close(fd);
  if (result < 0 && answer->fd >= 0) {
    close(answer->fd);
    answer->fd = -1;
  }
  return result;
}
#endif
