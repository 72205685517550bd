/*
 * The C core without Node, to be run under the address and undefined-behaviour sanitizers. Takes an empty
 * directory as its only argument. Prints the first failed expectation and ends with 1, or ends with 0.
 */
#define _GNU_SOURCE
#include "ringbus_host.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

static const char *directory;
static const char *failed_call;

/* The path of a file in the test's directory, in a buffer that the next call overwrites. */
static const char *in_directory(const char *name) {
  static char path[PATH_MAX];
  EXPECT(snprintf(path, sizeof path, "%s/%s", directory, name) < PATH_MAX);
  return path;
}

static int acquire(const char *name, struct ringbus_lock *lock) {
  failed_call = "";
  return ringbus_lock_acquire(in_directory(name), lock, &failed_call);
}

static void write_file(const char *name, const char *text) {
  FILE *file = fopen(in_directory(name), "w");
  EXPECT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void expect_file(const char *name, const char *expected) {
  char text[64] = {0};
  FILE *file = fopen(in_directory(name), "r");
  EXPECT(file != NULL);
  EXPECT(fread(text, 1, sizeof text - 1, file) == strlen(expected));
  EXPECT(strcmp(text, expected) == 0 && fclose(file) == 0);
}

static void test_error_names(void) {
  EXPECT(strcmp(ringbus_host_error_name(-EACCES), "EACCES") == 0);
  EXPECT(strcmp(ringbus_host_error_message(-EACCES), "permission denied") == 0);
  EXPECT(strcmp(ringbus_host_error_name(-ECHILD), "UNKNOWN") == 0);
  EXPECT(strlen(ringbus_host_error_message(INT_MIN)) > 0);
}

static void test_lock_names_its_holder(void) {
  write_file("named", "a longer text than any process id\n");
  struct ringbus_lock lock, second;
  EXPECT(acquire("named", &lock) == 0 && lock.fd >= 0);
  EXPECT(fcntl(lock.fd, F_GETFD) & FD_CLOEXEC);
  char expected[32];
  snprintf(expected, sizeof expected, "%ld\n", (long)getpid());
  expect_file("named", expected);
  EXPECT(acquire("named", &second) == RINGBUS_HELD);
  EXPECT(second.fd == -1 && second.holder_pid == getpid());
  EXPECT(ringbus_lock_release(lock.fd, &failed_call) == 0);
  EXPECT(acquire("named", &second) == 0);
  EXPECT(ringbus_lock_release(second.fd, &failed_call) == 0);
}

/* What a holder may have left in the file, whole or in parts, and the pid to be read from it. */
static void test_holder_is_read_with_suspicion(void) {
  static const struct {
    const char *text;
    pid_t pid;
  } cases[] = {
      {"123\n", 123},     {"", 0},          {"123", 0},           {"123x\n", 0},
      {"-1\n", 0},        {"0\n", 0},       {"2147483648\n", 0},  {"99999999999999999999999\n", 0},
      {"2147483647\n", 2147483647},
  };
  struct ringbus_lock lock, second;
  EXPECT(acquire("suspicious", &lock) == 0);
  for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
    write_file("suspicious", cases[index].text);
    EXPECT(acquire("suspicious", &second) == RINGBUS_HELD);
    EXPECT(second.holder_pid == cases[index].pid);
  }
  EXPECT(ringbus_lock_release(lock.fd, &failed_call) == 0);
}

static void test_lock_ends_with_its_holder(void) {
  int ready[2];
  EXPECT(pipe(ready) == 0);
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    struct ringbus_lock lock;
    if (acquire("killed", &lock) != 0 || write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  close(ready[1]);
  EXPECT(read(ready[0], &byte, 1) == 1);
  struct ringbus_lock lock;
  EXPECT(acquire("killed", &lock) == RINGBUS_HELD && lock.holder_pid == child);
  EXPECT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  EXPECT(acquire("killed", &lock) == 0);
  EXPECT(ringbus_lock_release(lock.fd, &failed_call) == 0);
  close(ready[0]);
}

static void test_lock_refuses_what_it_must_not_touch(void) {
  struct ringbus_lock lock;
  char target[PATH_MAX];
  write_file("precious", "precious");
  strcpy(target, in_directory("precious"));
  EXPECT(symlink(target, in_directory("symbolic")) == 0);
  EXPECT(acquire("symbolic", &lock) == RINGBUS_ELOOP && strcmp(failed_call, "open") == 0);
  EXPECT(link(target, in_directory("hard")) == 0);
  EXPECT(acquire("hard", &lock) == RINGBUS_EINVAL && strcmp(failed_call, "fstat") == 0);
  expect_file("precious", "precious");
  EXPECT(mkfifo(in_directory("fifo"), 0600) == 0);
  EXPECT(acquire("fifo", &lock) == RINGBUS_EINVAL);
  EXPECT(acquire("missing/lock", &lock) == RINGBUS_ENOENT && lock.fd == -1);
  EXPECT(acquire("", &lock) == RINGBUS_EISDIR);
}

enum { CONTENDERS = 4, TURNS_PER_CONTENDER = 500 };
static atomic_int holders;

/* Removes the file while holding its lock, as ringbus itself never does. */
static void *contend(void *path) {
  for (int turns = 0; turns < TURNS_PER_CONTENDER;) {
    struct ringbus_lock lock;
    const char *call;
    int result = ringbus_lock_acquire(path, &lock, &call);
    EXPECT(result == 0 || result == RINGBUS_HELD || result == RINGBUS_ESTALE);
    if (result != 0) continue;
    EXPECT(atomic_fetch_add(&holders, 1) == 0);
    sched_yield();
    EXPECT(atomic_fetch_sub(&holders, 1) == 1);
    /* From here on another contender may create, and hold, a new file. */
    EXPECT(unlink(path) == 0);
    EXPECT(ringbus_lock_release(lock.fd, &call) == 0);
    turns++;
  }
  return NULL;
}

static void test_a_file_without_a_name_is_no_lock(void) {
  char path[PATH_MAX];
  strcpy(path, in_directory("removed"));
  pthread_t threads[CONTENDERS];
  for (int index = 0; index < CONTENDERS; index++)
    EXPECT(pthread_create(&threads[index], NULL, contend, path) == 0);
  for (int index = 0; index < CONTENDERS; index++) EXPECT(pthread_join(threads[index], NULL) == 0);
}

static void test_release_reports_a_bad_descriptor(void) {
  EXPECT(ringbus_lock_release(-1, &failed_call) == RINGBUS_EBADF);
  EXPECT(strcmp(failed_call, "close") == 0);
}

static void test_peer_credentials(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  EXPECT(snprintf(address.sun_path, sizeof address.sun_path, "%s", in_directory("socket")) > 0);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);

  struct ringbus_peer peer;
  EXPECT(ringbus_peer_credentials(client, &peer, &failed_call) == RINGBUS_ENOTCONN);
  EXPECT(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
  int accepted = accept(listener, NULL, NULL);
  EXPECT(accepted >= 0);
  const int ends[] = {client, accepted};
  for (int index = 0; index < 2; index++) {
    EXPECT(ringbus_peer_credentials(ends[index], &peer, &failed_call) == 0);
    EXPECT(peer.uid == geteuid() && peer.gid == getegid());
#ifdef __linux__
    EXPECT(peer.pid == getpid());
#endif
  }
  EXPECT(ringbus_peer_credentials(-1, &peer, &failed_call) == RINGBUS_EBADF);
  close(listener);
  close(client);
  close(accepted);
}

static void test_send(void) {
  int pair[2];
  size_t sent = 0, total = 0;
  const char *failed_call = "";
  static char block[65536];
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  EXPECT(ringbus_send(pair[0], "four", 4, &sent, &failed_call) == 0 && sent == 4);
  char text[8];
  EXPECT(read(pair[1], text, sizeof text) == 4 && memcmp(text, "four", 4) == 0);
  /* A blocking descriptor that is full takes nothing, and does not wait. */
  do {
    EXPECT(ringbus_send(pair[0], block, sizeof block, &sent, &failed_call) == 0);
    total += sent;
  } while (sent > 0);
  EXPECT(total > 0);
  EXPECT(write(pair[1], "last", 4) == 4);
  close(pair[1]);
  EXPECT(ringbus_send(pair[0], "four", 4, &sent, &failed_call) == RINGBUS_PEER_GONE && sent == 0);
  EXPECT(read(pair[0], text, sizeof text) == 4 && memcmp(text, "last", 4) == 0);
  close(pair[0]);
  EXPECT(ringbus_send(pair[0], "four", 4, &sent, &failed_call) == RINGBUS_EBADF);
  EXPECT(strcmp(failed_call, "send") == 0);
}

static void test_send_buffer(void) {
  int pair[2], before, after;
  socklen_t length = sizeof before;
  const char *failed_call = "";
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  EXPECT(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &before, &length) == 0);
  EXPECT(ringbus_set_send_buffer(pair[0], 8192, &failed_call) == 0);
  EXPECT(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &after, &length) == 0 && after < before);
  EXPECT(ringbus_set_send_buffer(pair[0], 1 << 30, &failed_call) == 0);
  EXPECT(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &after, &length) == 0 && after >= before);
  close(pair[0]);
  close(pair[1]);
  EXPECT(ringbus_set_send_buffer(pair[0], 8192, &failed_call) == RINGBUS_EBADF);
  EXPECT(strcmp(failed_call, "setsockopt") == 0);
}

static void test_duplicate(void) {
  int pair[2], duplicate;
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  close(STDIN_FILENO);
  EXPECT(ringbus_duplicate(pair[0], &duplicate, &failed_call) == 0 && duplicate > STDERR_FILENO);
  EXPECT(fcntl(duplicate, F_GETFD) & FD_CLOEXEC);
  close(pair[0]);
  EXPECT(write(pair[1], "late", 4) == 4 && close(pair[1]) == 0);
  char text[8];
  EXPECT(read(duplicate, text, sizeof text) == 4 && memcmp(text, "late", 4) == 0);
  EXPECT(read(duplicate, text, sizeof text) == 0);
  close(duplicate);
  EXPECT(ringbus_duplicate(duplicate, &duplicate, &failed_call) == RINGBUS_EBADF);
  EXPECT(strcmp(failed_call, "fcntl") == 0);
}

/* Dumpable again at the end: the leak sanitizer inspects this process through ptrace. */
static void test_set_dumpable(void) {
#ifdef __linux__
  EXPECT(ringbus_set_dumpable(false, &failed_call) == 0 && prctl(PR_GET_DUMPABLE) == 0);
  EXPECT(ringbus_set_dumpable(true, &failed_call) == 0 && prctl(PR_GET_DUMPABLE) == 1);
#else
  EXPECT(ringbus_set_dumpable(false, &failed_call) == RINGBUS_UNSUPPORTED);
#endif
}

int main(int count, char **arguments) {
  EXPECT(count == 2);
  directory = arguments[1];
  test_error_names();
  test_lock_names_its_holder();
  test_holder_is_read_with_suspicion();
  test_lock_ends_with_its_holder();
  test_lock_refuses_what_it_must_not_touch();
  test_a_file_without_a_name_is_no_lock();
  test_release_reports_a_bad_descriptor();
  test_peer_credentials();
  test_send();
  test_send_buffer();
  test_duplicate();
  test_set_dumpable();
  return 0;
}
