/*
 * Pairs of rings as broker and client use them, all in one process but where it forks.
 */
#define _GNU_SOURCE
#include "ringbus_pair.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "pair_words.h"
#include "random.h"
#include "ringbus_host.h"

#define CAPACITY RINGBUS_PAIR_BYTES_MIN
#define FILE_BYTES (RINGBUS_PAIR_CONTROL_BYTES + 2 * CAPACITY)

enum {
  WATCHDOG_S = 60, /* a child that is stuck ends */
  ROUNDS = 40,     /* that many times round a ring */
};

static const char *failed_call;

/* A pair, in the order of its life. */
static struct ringbus_pair broker, client;

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* A descriptor as a client gets it. */
static int copy_of(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  EXPECT(copy >= 0);
  return copy;
}

static void set_up(void) {
  EXPECT(ringbus_pair_create(&broker, CAPACITY, &failed_call) == 0);
  EXPECT(ringbus_pair_map(&client, copy_of(broker.descriptor.fd), CAPACITY, &failed_call) == 0);
}

static void tear_down(void) {
  ringbus_pair_close(&client);
  ringbus_pair_close(&broker);
}

/* What lies at a count, in one direction; no two places of a ring that are close agree for long. */
static unsigned char content(uint64_t count, int ring) {
  return (unsigned char)((count * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)ring) >> 56);
}

static unsigned char *fill(unsigned char *bytes, size_t length, uint64_t count, int ring) {
  for (size_t index = 0; index < length; index++) bytes[index] = content(count + index, ring);
  return bytes;
}

static void expect_content(const unsigned char *bytes, size_t length, uint64_t count, int ring) {
  for (size_t index = 0; index < length; index++) EXPECT(bytes[index] == content(count + index, ring));
}

static unsigned char block[2 * CAPACITY];

/* Writes bytes of no matter; returns what ringbus_pair_write does. */
static int write_bytes(struct ringbus_pair *pair, size_t length, size_t expected) {
  size_t taken;
  int result = ringbus_pair_write(pair, block, length, &taken);
  EXPECT(taken == expected);
  return result;
}

static int read_bytes(struct ringbus_pair *pair, size_t length, size_t expected) {
  static unsigned char target[2 * CAPACITY];
  size_t taken;
  int result = ringbus_pair_read(pair, target, length, &taken);
  EXPECT(taken == expected);
  return result;
}

static void test_sizes(void) {
  static const uint32_t sizes[] = {
      0, 1, RINGBUS_PAIR_BYTES_MIN / 2, RINGBUS_PAIR_BYTES_MIN - 1, RINGBUS_PAIR_BYTES_MIN + 1,
      3 * RINGBUS_PAIR_BYTES_MIN, 2 * RINGBUS_PAIR_BYTES_MAX, UINT32_MAX};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    EXPECT(ringbus_pair_create(&broker, sizes[index], &failed_call) == -EINVAL);
    EXPECT(broker.map == NULL && broker.descriptor.fd == -1);
    ringbus_pair_close(&broker);
  }
  EXPECT(ringbus_pair_create(&broker, RINGBUS_PAIR_BYTES_MAX, &failed_call) == 0);
  ringbus_pair_close(&broker);
}

static void test_what_a_broker_makes(void) {
  EXPECT(ringbus_pair_create(&broker, CAPACITY, &failed_call) == 0);
  int fd = broker.descriptor.fd;
  struct stat status;
  EXPECT(fstat(fd, &status) == 0);
  EXPECT((status.st_mode & 07777) == 0600 && status.st_size == FILE_BYTES);
  /* All of its memory is there: a write cannot fail for want of it. */
  EXPECT((uint64_t)status.st_blocks * 512 >= FILE_BYTES);
  EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  EXPECT(ftruncate(fd, FILE_BYTES / 2) == -1 && errno == EPERM);
  EXPECT(ftruncate(fd, 2 * FILE_BYTES) == -1 && errno == EPERM);
  EXPECT(memcmp(broker.map, "PAIR\1\0\0\0\0\0\1\0", 12) == 0);
  for (size_t index = 12; index < FILE_BYTES; index++) EXPECT(broker.map[index] == 0);
  ringbus_pair_close(&broker);
  ringbus_pair_close(&broker);
  EXPECT(!is_open(fd));
}

/* Maps a file of that size with that identity; the descriptor is gone in either case. */
static int map_file(int file, uint32_t capacity) {
  int fd = copy_of(file);
  int result = ringbus_pair_map(&client, fd, capacity, &failed_call);
  EXPECT(!is_open(fd) && client.descriptor.fd == -1);
  EXPECT((result == 0) == (client.map != NULL));
  ringbus_pair_close(&client);
  return result;
}

static int file_of(off_t bytes, const uint32_t identity[3]) {
  int file = memfd_create("no pair", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  EXPECT(ftruncate(file, bytes) == 0);
  EXPECT(pwrite(file, identity, 12, 0) == 12);
  return file;
}

static void test_what_is_not_mapped(void) {
  static const uint32_t sound[] = {RINGBUS_PAIR_MAGIC, RINGBUS_PAIR_VERSION, CAPACITY};
  int file = file_of(FILE_BYTES, sound);
  EXPECT(map_file(file, CAPACITY) == -EPERM); /* Could be cut at any time. */
  EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_GROW) == 0);
  EXPECT(map_file(file, CAPACITY) == -EPERM);
  EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  EXPECT(map_file(file, CAPACITY) == 0);
  EXPECT(map_file(file, 2 * CAPACITY) == -EBADMSG && strcmp(failed_call, "fstat") == 0);
  EXPECT(map_file(file, 0) == -EBADMSG);
  EXPECT(map_file(file, CAPACITY + 1) == -EBADMSG);
  close(file);
  static const uint32_t others[][3] = {{RINGBUS_PAIR_MAGIC + 1, RINGBUS_PAIR_VERSION, CAPACITY},
                                       {RINGBUS_PAIR_MAGIC, RINGBUS_PAIR_VERSION + 1, CAPACITY},
                                       {RINGBUS_PAIR_MAGIC, RINGBUS_PAIR_VERSION, 2 * CAPACITY},
                                       {0, 0, 0}};
  for (size_t index = 0; index < sizeof others / sizeof *others; index++) {
    file = file_of(FILE_BYTES, others[index]);
    EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    EXPECT(map_file(file, CAPACITY) == -EBADMSG && strcmp(failed_call, "mmap") == 0);
    close(file);
  }
  static const off_t sizes[] = {0x1000, FILE_BYTES - 1, FILE_BYTES + 1, 2 * FILE_BYTES};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    file = file_of(sizes[index], sound);
    EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    EXPECT(map_file(file, CAPACITY) == -EBADMSG && strcmp(failed_call, "fstat") == 0);
    close(file);
  }
  EXPECT(ringbus_pair_map(&client, file, CAPACITY, &failed_call) == -EBADF);
}

/* Receives one byte and at most one descriptor; -1 for none. */
static int receive(int fd) {
  char byte;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } parts;
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &parts, .msg_controllen = sizeof parts.space};
  EXPECT(recvmsg(fd, &message, MSG_DONTWAIT) == 1);
  if (message.msg_controllen == 0) return -1;
  int received;
  memcpy(&received, CMSG_DATA(&parts.header), sizeof received);
  return received;
}

static void test_it_is_sent_once(void) {
  EXPECT(ringbus_pair_create(&broker, CAPACITY, &failed_call) == 0);
  int fd = broker.descriptor.fd;
  int sockets[2];
  size_t sent;
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  EXPECT(ringbus_pair_send(&broker, sockets[0], "ab", 2, &sent, &failed_call) == 0 && sent == 2);
  EXPECT(broker.descriptor.fd == -1 && !is_open(fd));
  EXPECT(ringbus_pair_send(&broker, sockets[0], "ab", 2, &sent, &failed_call) == -EPERM && sent == 0);
  fd = receive(sockets[1]);
  EXPECT(ringbus_pair_map(&client, fd, CAPACITY, &failed_call) == 0 && !is_open(fd));
  EXPECT(receive(sockets[1]) == -1);
  EXPECT(write_bytes(&client, 5, 5) == 0 && read_bytes(&broker, 9, 5) == 0);
  tear_down();
  close(sockets[0]);
  close(sockets[1]);
}

/* Until it has left, it may be sent again. */
static void test_what_is_not_sent_is_kept(void) {
  EXPECT(ringbus_pair_create(&broker, CAPACITY, &failed_call) == 0);
  int sockets[2];
  size_t sent;
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  do {
    EXPECT(ringbus_send(sockets[0], block, sizeof block, &sent, &failed_call) == 0);
  } while (sent > 0);
  EXPECT(ringbus_pair_send(&broker, sockets[0], "a", 1, &sent, &failed_call) == 0 && sent == 0);
  close(sockets[1]);
  EXPECT(ringbus_pair_send(&broker, sockets[0], "a", 1, &sent, &failed_call) == RINGBUS_PEER_GONE);
  close(sockets[0]);
  EXPECT(ringbus_pair_send(&broker, sockets[0], "a", 1, &sent, &failed_call) == -EBADF);
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  EXPECT(ringbus_pair_send(&broker, sockets[0], "a", 1, &sent, &failed_call) == 0 && sent == 1);
  ringbus_pair_close(&broker);
  close(sockets[0]);
  close(sockets[1]);
}

/* Random writes and reads, more often large ones, of which a part may be left over. */
static void exchange(struct ringbus_pair *from, struct ringbus_pair *to, int ring, uint64_t *seed) {
  static unsigned char bytes[2 * CAPACITY];
  uint64_t written = 0, read = 0;
  while (read < (uint64_t)ROUNDS * CAPACITY) {
    size_t length = random_below(seed, random_below(seed, 2) ? 300 : sizeof bytes), taken;
    size_t free = CAPACITY - (size_t)(written - read);
    EXPECT(ringbus_pair_write(from, fill(bytes, length, written, ring), length, &taken) == 0);
    EXPECT(taken == (length < free ? length : free));
    written += taken;
    length = random_below(seed, random_below(seed, 2) ? 300 : sizeof bytes);
    size_t used = (size_t)(written - read);
    memset(bytes, 0, sizeof bytes);
    int result = ringbus_pair_read(to, bytes, length, &taken);
    EXPECT(result == 0 || result == RINGBUS_BELL);
    EXPECT(taken == (length < used ? length : used));
    expect_content(bytes, taken, read, ring);
    read += taken;
  }
}

/* The counts wrap at 2^32, in the middle of a piece as well; the place in the ring many times. */
static void test_content(void) {
  static const uint32_t beginnings[] = {0, UINT32_MAX, 0u - CAPACITY, 0u - 12345u - 7 * CAPACITY};
  uint64_t seed = expect_seed = random_seed();
  for (size_t index = 0; index < sizeof beginnings / sizeof *beginnings; index++) {
    set_up();
    pair_begin_at(&broker, &client, beginnings[index]);
    exchange(&client, &broker, 0, &seed);
    exchange(&broker, &client, 1, &seed);
    EXPECT(atomic_load(pair_word(&client, 0, HEAD)) < beginnings[index] || beginnings[index] == 0);
    tear_down();
  }
}

/* The byte of count n lies at n mod size, ring 0 before ring 1. */
static void test_where_the_bytes_lie(void) {
  set_up();
  pair_begin_at(&broker, &client, UINT32_MAX - 1);
  size_t taken;
  EXPECT(ringbus_pair_write(&client, "client", 6, &taken) == 0 && taken == 6);
  EXPECT(ringbus_pair_write(&broker, "broker", 6, &taken) == 0 && taken == 6);
  const unsigned char *rings = broker.map + RINGBUS_PAIR_CONTROL_BYTES;
  EXPECT(memcmp(rings + CAPACITY - 2, "cl", 2) == 0 && memcmp(rings, "ient", 4) == 0);
  EXPECT(memcmp(rings + 2 * CAPACITY - 2, "br", 2) == 0 && memcmp(rings + CAPACITY, "oker", 4) == 0);
  EXPECT(*pair_word(&broker, 0, HEAD) == 4 && *pair_word(&broker, 0, TAIL) == UINT32_MAX - 1);
  EXPECT(read_bytes(&broker, 5, 5) == 0 && read_bytes(&client, 6, 6) == 0);
  EXPECT(*pair_word(&broker, 0, TAIL) == 3 && *pair_word(&broker, 1, TAIL) == 4);
  tear_down();
}

/* --- the bell --- */

static void test_who_rests_for_bytes_is_rung_once(void) {
  set_up();
  EXPECT(write_bytes(&client, 10, 10) == 0);
  EXPECT(ringbus_pair_rest(&broker) == RINGBUS_AWAKE);
  EXPECT(*pair_word(&broker, 0, ASLEEP) == 0);
  EXPECT(write_bytes(&client, 1, 1) == 0);
  EXPECT(read_bytes(&broker, 100, 11) == 0 && read_bytes(&broker, 100, 0) == 0);
  EXPECT(ringbus_pair_rest(&broker) == 0 && *pair_word(&broker, 0, ASLEEP) == 1);
  EXPECT(write_bytes(&client, 1, 1) == RINGBUS_BELL && *pair_word(&broker, 0, ASLEEP) == 0);
  EXPECT(write_bytes(&client, 1, 1) == 0);
  /* The directions have nothing to do with each other. */
  EXPECT(ringbus_pair_rest(&client) == 0 && ringbus_pair_rest(&broker) == RINGBUS_AWAKE);
  EXPECT(write_bytes(&client, 1, 1) == 0 && write_bytes(&broker, 1, 1) == RINGBUS_BELL);
  tear_down();
}

static void test_who_rests_for_room_is_rung_once_half_is_free(void) {
  set_up();
  EXPECT(write_bytes(&client, CAPACITY, CAPACITY) == 0 && *pair_word(&broker, 0, FULL) == 0);
  EXPECT(read_bytes(&broker, CAPACITY, CAPACITY) == 0);
  EXPECT(write_bytes(&client, CAPACITY + 1, CAPACITY) == 0 && *pair_word(&broker, 0, FULL) == 1);
  EXPECT(read_bytes(&broker, CAPACITY / 2 - 1, CAPACITY / 2 - 1) == 0);
  EXPECT(read_bytes(&broker, 1, 1) == RINGBUS_BELL && *pair_word(&broker, 0, FULL) == 0);
  EXPECT(read_bytes(&broker, CAPACITY, CAPACITY / 2) == 0);
  /* A part is written, and the rest waits. */
  EXPECT(write_bytes(&client, CAPACITY - 1, CAPACITY - 1) == 0 && *pair_word(&broker, 0, FULL) == 0);
  EXPECT(write_bytes(&client, 5, 1) == 0 && write_bytes(&client, 4, 0) == 0);
  EXPECT(read_bytes(&broker, CAPACITY, CAPACITY) == RINGBUS_BELL && write_bytes(&client, 4, 4) == 0);
  tear_down();
}

/* --- an end that does not keep to the rules --- */

static void test_a_spoilt_head(void) {
  set_up();
  EXPECT(write_bytes(&client, 1000, 1000) == 0 && read_bytes(&broker, 400, 400) == 0);
  static const uint32_t spoilt[] = {399, 401 + CAPACITY, 0, UINT32_MAX, 0x80000000u};
  for (size_t index = 0; index < sizeof spoilt / sizeof *spoilt; index++) {
    atomic_store(pair_word(&client, 0, HEAD), spoilt[index]);
    EXPECT(read_bytes(&broker, 100, 0) == -EBADMSG);
    EXPECT(ringbus_pair_rest(&broker) == RINGBUS_AWAKE);
  }
  atomic_store(pair_word(&client, 0, HEAD), 400 + CAPACITY);
  EXPECT(read_bytes(&broker, CAPACITY, CAPACITY) == 0);
  tear_down();
}

static void test_a_spoilt_tail(void) {
  set_up();
  EXPECT(write_bytes(&broker, 1000, 1000) == 0);
  static const uint32_t spoilt[] = {1001, 999u - CAPACITY, UINT32_MAX - CAPACITY, 0x80000000u};
  for (size_t index = 0; index < sizeof spoilt / sizeof *spoilt; index++) {
    atomic_store(pair_word(&client, 1, TAIL), spoilt[index]);
    EXPECT(write_bytes(&broker, 100, 0) == -EBADMSG);
  }
  atomic_store(pair_word(&client, 1, TAIL), 1000u - CAPACITY);
  EXPECT(write_bytes(&broker, 100, 0) == 0);
  atomic_store(pair_word(&client, 1, TAIL), 1000);
  EXPECT(write_bytes(&broker, 2 * CAPACITY, CAPACITY) == 0);
  tear_down();
}

/* What an end stores, it does not read again. */
static void test_an_end_believes_its_own_counts(void) {
  set_up();
  unsigned char bytes[300];
  size_t taken;
  EXPECT(ringbus_pair_write(&client, fill(bytes, 200, 0, 0), 200, &taken) == 0);
  atomic_store(pair_word(&broker, 0, TAIL), 77);
  EXPECT(ringbus_pair_read(&broker, bytes, 150, &taken) == 0 && taken == 150);
  expect_content(bytes, 150, 0, 0);
  atomic_store(pair_word(&broker, 0, HEAD), 7);
  EXPECT(ringbus_pair_write(&client, fill(bytes, 100, 200, 0), 100, &taken) == 0);
  EXPECT(ringbus_pair_read(&broker, bytes, 300, &taken) == 0 && taken == 150);
  expect_content(bytes, 150, 150, 0);
  /* Its size neither. */
  memset(broker.map, 0xff, 12);
  EXPECT(ringbus_pair_write(&client, fill(bytes, 100, 300, 0), 100, &taken) == 0);
  EXPECT(ringbus_pair_read(&broker, bytes, 300, &taken) == 0 && taken == 100);
  expect_content(bytes, 100, 300, 0);
  tear_down();
}

/* --- after a death --- */

static void test_what_was_written_outlives_its_writer(void) {
  set_up();
  unsigned char bytes[1000];
  size_t taken;
  EXPECT(ringbus_pair_write(&client, fill(bytes, 1000, 0, 0), 1000, &taken) == 0);
  ringbus_pair_close(&client);
  EXPECT(ringbus_pair_read(&broker, bytes, 1000, &taken) == 0 && taken == 1000);
  expect_content(bytes, 1000, 0, 0);
  ringbus_pair_close(&broker);
}

/* --- forks --- */

/* How many maps of pairs this process has. By name: at an address something else may lie by now. */
static int count_maps(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int count = 0;
  EXPECT(maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "/memfd:ringbus-pair") != NULL;
  fclose(maps);
  return count;
}

/* Forks; the child ends with what `look` returns. */
static int in_child(int (*look)(void)) {
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    alarm(WATCHDOG_S);
    _exit(look());
  }
  int status;
  EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int descriptor;

/* Ten times the maps, and whether the broker's descriptor is open. */
static int look_around(void) { return 10 * count_maps() + is_open(descriptor); }

/* The list that it has copied is empty and in order, and its own children get nothing of its own pair. */
static int go_on(void) {
  EXPECT(broker.descriptor.fd == -1);
  EXPECT(ringbus_pair_create(&broker, CAPACITY, &failed_call) == 0);
  descriptor = broker.descriptor.fd;
  EXPECT(look_around() == 11 && in_child(look_around) == 0);
  ringbus_pair_close(&broker);
  return look_around();
}

static void test_a_forked_child_has_nothing_of_it(void) {
  set_up();
  descriptor = broker.descriptor.fd;
  EXPECT(look_around() == 21 && in_child(look_around) == 0);
  EXPECT(in_child(go_on) == 0);
  EXPECT(look_around() == 21 && write_bytes(&client, 1, 1) == 0);
  tear_down();
  EXPECT(look_around() == 0);
}

int main(void) {
  test_sizes();
  test_what_a_broker_makes();
  test_what_is_not_mapped();
  test_it_is_sent_once();
  test_what_is_not_sent_is_kept();
  test_content();
  test_where_the_bytes_lie();
  test_who_rests_for_bytes_is_rung_once();
  test_who_rests_for_room_is_rung_once_half_is_free();
  test_a_spoilt_head();
  test_a_spoilt_tail();
  test_an_end_believes_its_own_counts();
  test_what_was_written_outlives_its_writer();
  test_a_forked_child_has_nothing_of_it();
  return 0;
}
