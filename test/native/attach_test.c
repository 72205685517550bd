/*
 * A client that attaches, against servers that answer as they should, in pieces, wrongly, or not at all. Takes
 * an empty directory as its only argument. After each case the process has as many descriptors as before.
 */
#define _GNU_SOURCE
#include "ringbus_attach.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "expect.h"

enum { PATIENCE_MS = 60000, IMPATIENCE_MS = 50, WATCHDOG_S = 100 };

static char path[108];
static int listener;
static struct ringbus_answer answer;
static const char *failed_call;

static int count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  EXPECT(directory != NULL);
  int count = 0;
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

static int listen_at(const char *name, int backlog) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, name);
  unlink(name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, backlog) == 0);
  return fd;
}

/* Sends the bytes, with so many descriptors of its standard input on the first of them. */
static void send_with(int fd, const void *bytes, size_t length, int descriptors) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(8 * sizeof(int))];
  } parts = {.space = {0}};
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptors > 0) {
    message.msg_control = &parts;
    message.msg_controllen = CMSG_SPACE((size_t)descriptors * sizeof(int));
    parts.header.cmsg_level = SOL_SOCKET;
    parts.header.cmsg_type = SCM_RIGHTS;
    parts.header.cmsg_len = CMSG_LEN((size_t)descriptors * sizeof(int));
    memset(CMSG_DATA(&parts.header), 0, (size_t)descriptors * sizeof(int));
  }
  EXPECT(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)length);
}

/* A frame of 10 bytes, padded to 12. */
static const char frame[] = "\x0a\0\0\0framed\0\0";
enum { FRAME_BYTES = 12 };

static void expect_request(int fd) {
  char request[8];
  EXPECT(recv(fd, request, sizeof request, MSG_WAITALL) == 8 && memcmp(request, "request.", 8) == 0);
}

static void answer_whole(int fd) {
  expect_request(fd);
  send_with(fd, frame, FRAME_BYTES, 1);
}

static void answer_without_descriptor(int fd) {
  expect_request(fd);
  send_with(fd, frame, FRAME_BYTES, 0);
}

static void answer_in_pieces(int fd) {
  expect_request(fd);
  for (int index = 0; index < FRAME_BYTES; index++) {
    send_with(fd, frame + index, 1, index == 0);
    usleep(1000);
  }
}

/* More than is asked for: the client has its frame, and looks no further. */
static void answer_and_more(int fd) {
  char two_frames[2 * FRAME_BYTES];
  memcpy(two_frames, frame, FRAME_BYTES);
  memcpy(two_frames + FRAME_BYTES, frame, FRAME_BYTES);
  expect_request(fd);
  send_with(fd, two_frames, sizeof two_frames, 1);
}

static void answer_half(int fd) {
  expect_request(fd);
  send_with(fd, frame, 7, 1);
}

static void answer_nothing(int fd) { expect_request(fd); }

static void answer_unasked(int fd) { send_with(fd, frame, FRAME_BYTES, 0); }

static void answer_two_descriptors(int fd) {
  expect_request(fd);
  send_with(fd, frame, FRAME_BYTES, 2);
}

static void answer_descriptor_by_descriptor(int fd) {
  expect_request(fd);
  send_with(fd, frame, 4, 1);
  send_with(fd, frame + 4, 8, 1);
}

static void answer_too_long(int fd) {
  expect_request(fd);
  send_with(fd, "\x41\x00\x01\x00 and so on", 14, 1);
}

static void *serve(void *argument) {
  void (*respond)(int) = *(void (**)(int))argument;
  int fd = accept(listener, NULL, NULL);
  EXPECT(fd >= 0);
  respond(fd);
  close(fd);
  return NULL;
}

static int attach(int timeout_ms) {
  return ringbus_attach(path, "request.", 8, timeout_ms, &answer, &failed_call);
}

/* Attaches to a server that answers so; closes what came. */
static int attach_to(void (*respond)(int)) {
  int before = count_descriptors();
  pthread_t server;
  EXPECT(pthread_create(&server, NULL, serve, &respond) == 0);
  int result = attach(PATIENCE_MS);
  EXPECT(pthread_join(server, NULL) == 0);
  if (result < 0) EXPECT(answer.fd == -1);
  if (answer.fd >= 0) EXPECT((fcntl(answer.fd, F_GETFD) & FD_CLOEXEC) && close(answer.fd) == 0);
  EXPECT(count_descriptors() == before);
  return result;
}

static bool has_frame(void) { return answer.length == FRAME_BYTES && memcmp(answer.bytes, frame, FRAME_BYTES) == 0; }

static void test_answers(void) {
  EXPECT(attach_to(answer_whole) == 0 && answer.fd >= 0 && has_frame());
  EXPECT(attach_to(answer_without_descriptor) == 0 && answer.fd == -1 && has_frame());
  EXPECT(attach_to(answer_in_pieces) == 0 && answer.fd >= 0 && has_frame());
  EXPECT(attach_to(answer_and_more) == 0 && answer.fd >= 0 && has_frame());
  EXPECT(attach_to(answer_half) == 0 && answer.fd >= 0 && answer.length == 7);
  EXPECT(attach_to(answer_nothing) == 0 && answer.fd == -1 && answer.length == 0);
  EXPECT(attach_to(answer_unasked) == 0 && answer.fd == -1 && has_frame());
}

static void test_wrong_answers(void) {
  EXPECT(attach_to(answer_two_descriptors) == -EPROTO);
  EXPECT(attach_to(answer_descriptor_by_descriptor) == -EPROTO);
  EXPECT(attach_to(answer_too_long) == -EMSGSIZE && strcmp(failed_call, "recvmsg") == 0);
}

static struct rlimit unlimited;

/* Leaves room for the two ends of the connection and nothing more. */
static void answer_when_full(int fd) {
  expect_request(fd);
  struct rlimit limit = unlimited;
  limit.rlim_cur = (rlim_t)fd + 1;
  EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  send_with(fd, frame, FRAME_BYTES, 1);
  char byte;
  /* Until the client has hung up, which it does without a word. */
  EXPECT(recv(fd, &byte, 1, 0) == 0);
  EXPECT(setrlimit(RLIMIT_NOFILE, &unlimited) == 0);
}

static void test_no_descriptor_left(void) {
  EXPECT(getrlimit(RLIMIT_NOFILE, &unlimited) == 0);
  EXPECT(attach_to(answer_when_full) == -EMFILE && strcmp(failed_call, "recvmsg") == 0);
  struct rlimit limit = unlimited;
  limit.rlim_cur = 3;
  EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  EXPECT(attach(PATIENCE_MS) == -EMFILE && strcmp(failed_call, "socket") == 0);
  EXPECT(setrlimit(RLIMIT_NOFILE, &unlimited) == 0);
}

static void test_nobody_answers(void) {
  int before = count_descriptors();
  EXPECT(attach(IMPATIENCE_MS) == -ETIMEDOUT && strcmp(failed_call, "poll") == 0);
  /* The connection that it has left behind is still in the backlog, which then is full. */
  close(listener);
  listener = listen_at(path, 0);
  EXPECT(attach(IMPATIENCE_MS) == -ETIMEDOUT && strcmp(failed_call, "poll") == 0);
  EXPECT(attach(IMPATIENCE_MS) == -ETIMEDOUT && strcmp(failed_call, "connect") == 0);
  close(listener);
  EXPECT(attach(PATIENCE_MS) == -ECONNREFUSED && strcmp(failed_call, "connect") == 0);
  unlink(path);
  EXPECT(attach(PATIENCE_MS) == -ENOENT);
  listener = listen_at(path, 8);
  EXPECT(count_descriptors() == before);
}

/* A longer path would be cut, and might lead to another socket. */
static void test_long_paths(void) {
  char longest[109];
  size_t length = strlen(path);
  memset(longest, 'x', sizeof longest);
  memcpy(longest, path, length);
  longest[107] = '\0';
  EXPECT(ringbus_attach(longest, "request.", 8, PATIENCE_MS, &answer, &failed_call) == -ENOENT);
  longest[107] = 'x';
  longest[108] = '\0';
  EXPECT(ringbus_attach(longest, "request.", 8, PATIENCE_MS, &answer, &failed_call) == -ENAMETOOLONG);
  EXPECT(ringbus_attach("", "request.", 8, PATIENCE_MS, &answer, &failed_call) == -ENAMETOOLONG);
}

int main(int count, char **arguments) {
  EXPECT(count == 2);
  alarm(WATCHDOG_S);
  EXPECT(snprintf(path, sizeof path, "%s/socket", arguments[1]) < (int)sizeof path);
  listener = listen_at(path, 8);
  test_answers();
  test_wrong_answers();
  test_no_descriptor_left();
  test_nobody_answers();
  test_long_paths();
  close(listener);
  return 0;
}
