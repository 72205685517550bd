/*
 * Segments as their broker, owner and readers use them, all in one process but where it forks.
 */
#define _GNU_SOURCE
#include "ringbus_segment.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "ringbus_host.h"
#include "ringbus_layout.h"

#define DATA_BYTES (4u << 20)

/* A child that is stuck ends. */
enum { WATCHDOG_S = 60 };

static const char *failed_call;

static struct ringbus_segment create(uint64_t data_bytes) {
  static struct ringbus_segment segment;
  EXPECT(ringbus_segment_create(&segment, data_bytes, &failed_call) == 0);
  return segment;
}

/* A descriptor as a client gets it: its own, of the same file and mode. */
static int copy_of(const struct ringbus_descriptor *descriptor) {
  int fd = fcntl(descriptor->fd, F_DUPFD_CLOEXEC, 3);
  EXPECT(fd >= 0);
  return fd;
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* A broker's segment, its owner and a reader, in the order of their life. */
static struct {
  struct ringbus_segment segment;
  struct ringbus_owner owner;
  struct ringbus_reader reader;
} all;

static void set_up(uint64_t data_bytes) {
  EXPECT(ringbus_segment_create(&all.segment, data_bytes, &failed_call) == 0);
  EXPECT(ringbus_owner_map(&all.owner, copy_of(&all.segment.writable), data_bytes, &failed_call) == 0);
  EXPECT(ringbus_segment_seal(&all.segment, &failed_call) == 0);
  EXPECT(ringbus_reader_map(&all.reader, copy_of(&all.segment.read_only), data_bytes, &failed_call) == 0);
}

static void tear_down(void) {
  ringbus_reader_close(&all.reader);
  ringbus_owner_close(&all.owner);
  ringbus_segment_close(&all.segment);
}

static struct ringbus_claim claim_bytes(uint64_t length) {
  struct ringbus_claim claim;
  uint32_t need;
  EXPECT(ringbus_owner_claim(&all.owner, length, &claim, &need, &failed_call) == 0);
  return claim;
}

static void test_a_record_travels(void) {
  set_up(DATA_BYTES);
  char bytes[1000], copy[1000];
  memset(bytes, 'r', sizeof bytes);
  struct ringbus_claim claim = claim_bytes(sizeof bytes);
  unsigned char *span = ringbus_owner_span(&all.owner, claim.position, sizeof bytes);
  EXPECT(span != NULL);
  ringbus_owner_write(span, bytes, sizeof bytes);
  EXPECT(memcmp(all.reader.data, bytes, sizeof bytes) == 0);
  EXPECT(ringbus_segment_read(&all.segment, 0, copy, sizeof copy, &failed_call) == 0);
  EXPECT(memcmp(copy, bytes, sizeof bytes) == 0);
  EXPECT(ringbus_owner_span(&all.owner, claim.position, 64 * 16 + 1) == NULL);
  EXPECT(ringbus_owner_span(&all.owner, claim.position + 16, 1) == NULL);
  tear_down();
}

static void test_bytes_may_come_from_the_ring_itself(void) {
  set_up(DATA_BYTES);
  claim_bytes(256);
  unsigned char *span = ringbus_owner_span(&all.owner, 0, 256);
  for (int index = 0; index < 200; index++) span[index] = (unsigned char)index;
  ringbus_owner_write(span + 8, span, 192);
  for (int index = 0; index < 192; index++) EXPECT(span[8 + index] == index || index >= 96);
  tear_down();
}

static void test_sizes(void) {
  struct ringbus_segment segment;
  static const uint64_t sizes[] = {0, 1, 65535, 65537, RINGBUS_DATA_BYTES_MAX + 65536ull, UINT64_MAX};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    EXPECT(ringbus_segment_create(&segment, sizes[index], &failed_call) == -EINVAL);
    ringbus_segment_close(&segment);
  }
  segment = create(RINGBUS_DATA_BYTES_MAX);
  ringbus_segment_close(&segment);
}

static void test_what_a_broker_makes(void) {
  EXPECT(ringbus_segment_create(&all.segment, 65536, &failed_call) == 0);
  struct stat status;
  EXPECT(fstat(all.segment.writable.fd, &status) == 0);
  EXPECT((status.st_mode & 07777) == 0600 && status.st_size == 2 * 65536);
  EXPECT(fcntl(all.segment.writable.fd, F_GETFD) & FD_CLOEXEC);
  EXPECT(ftruncate(all.segment.writable.fd, 65536) == -1 && errno == EPERM);
  EXPECT(ftruncate(all.segment.writable.fd, 4 * 65536) == -1 && errno == EPERM);
  EXPECT(all.segment.read_only.fd == -1);
  int writable = all.segment.writable.fd;
  EXPECT(ringbus_segment_seal(&all.segment, &failed_call) == 0);
  EXPECT(all.segment.writable.fd == -1 && (!is_open(writable) || all.segment.read_only.fd == writable));
  EXPECT((fcntl(all.segment.read_only.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  EXPECT(fcntl(all.segment.read_only.fd, F_GETFD) & FD_CLOEXEC);
  EXPECT(ringbus_segment_seal(&all.segment, &failed_call) == -EPERM);
  ringbus_segment_close(&all.segment);
  ringbus_segment_close(&all.segment);
}

static void test_what_is_not_mapped(void) {
  struct ringbus_owner owner;
  struct ringbus_reader reader;
  int file = memfd_create("no segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  EXPECT(ftruncate(file, RINGBUS_CONTROL_BYTES + 65536) == 0);
  /* Could be cut at any time. */
  EXPECT(ringbus_reader_map(&reader, fcntl(file, F_DUPFD_CLOEXEC, 3), 65536, &failed_call) == -EPERM);
  EXPECT(ringbus_owner_map(&owner, fcntl(file, F_DUPFD_CLOEXEC, 3), 65536, &failed_call) == -EPERM);
  EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  /* No ring in it: its owner sees that, and a reader needs none. */
  EXPECT(ringbus_owner_map(&owner, fcntl(file, F_DUPFD_CLOEXEC, 3), 65536, &failed_call) == -EBADMSG);
  EXPECT(ringbus_reader_map(&reader, fcntl(file, F_DUPFD_CLOEXEC, 3), 131072, &failed_call) == -EBADMSG);
  int given = fcntl(file, F_DUPFD_CLOEXEC, 3);
  EXPECT(ringbus_reader_map(&reader, given, 0, &failed_call) == -EBADMSG && !is_open(given));
  given = fcntl(file, F_DUPFD_CLOEXEC, 3);
  EXPECT(ringbus_owner_map(&owner, given, 131072, &failed_call) == -EBADMSG && !is_open(given));
  ringbus_owner_close(&owner);
  ringbus_reader_close(&reader);
  close(file);
  EXPECT(ringbus_reader_map(&reader, file, 65536, &failed_call) == -EBADF);
}

static void test_memory_is_reserved_as_the_head_advances(void) {
  set_up(DATA_BYTES);
  uint64_t reserved;
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0 && reserved == 0);
  claim_bytes(1);
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0);
  EXPECT(reserved >= RINGBUS_RESERVE_BYTES_MIN && reserved < DATA_BYTES);
  uint64_t first = reserved;
  claim_bytes(1000);
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0 && reserved == first);
  claim_bytes(DATA_BYTES / 2);
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0);
  EXPECT(reserved >= DATA_BYTES / 2 && reserved < DATA_BYTES);
  /* The last step ends with the data area. */
  claim_bytes(DATA_BYTES / 2 - 4096);
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0 && reserved == DATA_BYTES);
  tear_down();
}

/* A descriptor that does not write stands for a kernel that has no memory. */
static void test_a_claim_without_memory_leaves_the_ring_as_it_was(void) {
  set_up(DATA_BYTES);
  int writable = all.owner.descriptor.fd;
  struct ringbus_claim claim;
  uint32_t need;
  all.owner.descriptor.fd = all.segment.read_only.fd;
  EXPECT(ringbus_owner_claim(&all.owner, 100, &claim, &need, &failed_call) == -EBADF);
  EXPECT(strcmp(failed_call, "fallocate") == 0);
  all.owner.descriptor.fd = writable;
  claim = claim_bytes(DATA_BYTES);
  EXPECT(claim.position == 0 && !claim.restarted);
  tear_down();
}

static void test_an_unreserved_part_reads_as_zeros(void) {
  set_up(DATA_BYTES);
  char bytes[64], zeros[64] = {0};
  memset(bytes, 'x', sizeof bytes);
  EXPECT(ringbus_segment_read(&all.segment, DATA_BYTES - 64, bytes, 64, &failed_call) == 0);
  EXPECT(memcmp(bytes, zeros, 64) == 0);
  uint64_t reserved;
  EXPECT(ringbus_segment_reserved(&all.segment, &reserved, &failed_call) == 0 && reserved == 0);
  EXPECT(ringbus_segment_read(&all.segment, DATA_BYTES - 63, bytes, 64, &failed_call) == -EINVAL);
  EXPECT(ringbus_segment_read(&all.segment, UINT64_MAX, bytes, 1, &failed_call) == -EINVAL);
  tear_down();
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

static void test_send(void) {
  EXPECT(ringbus_segment_create(&all.segment, 65536, &failed_call) == 0);
  int pair[2];
  size_t sent;
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "ab", 2, false, &sent, &failed_call) == -EPERM);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "ab", 2, true, &sent, &failed_call) == 0 && sent == 2);
  int fd = receive(pair[1]);
  EXPECT((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
  close(fd);
  EXPECT(receive(pair[1]) == -1);
  EXPECT(ringbus_segment_seal(&all.segment, &failed_call) == 0);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "ab", 2, true, &sent, &failed_call) == -EPERM);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "a", 1, false, &sent, &failed_call) == 0 && sent == 1);
  fd = receive(pair[1]);
  EXPECT((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  close(fd);
  static char block[65536];
  do {
    EXPECT(ringbus_send(pair[0], block, sizeof block, &sent, &failed_call) == 0);
  } while (sent > 0);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "a", 1, false, &sent, &failed_call) == 0 && sent == 0);
  close(pair[1]);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "a", 1, false, &sent, &failed_call) == RINGBUS_PEER_GONE);
  close(pair[0]);
  EXPECT(ringbus_segment_send(&all.segment, pair[0], "a", 1, false, &sent, &failed_call) == -EBADF);
  ringbus_segment_close(&all.segment);
}

/* --- forks --- */

/* How many maps of segments this process has. By name: at an address something else may lie by now. */
static int count_maps(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int count = 0;
  EXPECT(maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "/memfd:ringbus-segment") != NULL;
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

static int descriptors[2];

/* Ten times the maps, and the descriptors that are open. */
static int look_around(void) {
  return 10 * count_maps() + is_open(descriptors[0]) + is_open(descriptors[1]);
}

/* Before the seal the broker has a writable descriptor, afterwards a read-only one; the owner has its own. */
static void test_a_forked_child_has_nothing_of_it(void) {
  EXPECT(ringbus_segment_create(&all.segment, DATA_BYTES, &failed_call) == 0);
  EXPECT(ringbus_owner_map(&all.owner, copy_of(&all.segment.writable), DATA_BYTES, &failed_call) == 0);
  descriptors[0] = all.segment.writable.fd;
  descriptors[1] = all.owner.descriptor.fd;
  EXPECT(look_around() == 22 && in_child(look_around) == 0);
  EXPECT(ringbus_segment_seal(&all.segment, &failed_call) == 0);
  EXPECT(ringbus_reader_map(&all.reader, copy_of(&all.segment.read_only), DATA_BYTES, &failed_call) == 0);
  descriptors[0] = all.segment.read_only.fd;
  EXPECT(look_around() == 32 && in_child(look_around) == 0);
  EXPECT(look_around() == 32);
  tear_down();
}

/* The list that it has copied is empty and in order, and its own children get nothing of its own segments. */
static int go_on(void) {
  EXPECT(all.segment.writable.fd == -1);
  EXPECT(ringbus_segment_create(&all.segment, 65536, &failed_call) == 0);
  descriptors[0] = all.segment.writable.fd;
  EXPECT(look_around() == 11 && in_child(look_around) == 0);
  ringbus_segment_close(&all.segment);
  return 0;
}

static void test_a_forked_child_may_have_its_own(void) {
  EXPECT(ringbus_segment_create(&all.segment, 65536, &failed_call) == 0);
  descriptors[1] = -1;
  EXPECT(in_child(go_on) == 0);
  ringbus_segment_close(&all.segment);
}

enum { THREADS = 4, SEGMENTS_PER_THREAD = 500, FORKS = 50 };

/* The list of descriptors is what segments of different threads share. */
static void *create_and_close(void *unused) {
  (void)unused;
  for (int index = 0; index < SEGMENTS_PER_THREAD; index++) {
    struct ringbus_segment first, second;
    const char *call;
    EXPECT(ringbus_segment_create(&first, 65536, &call) == 0);
    EXPECT(ringbus_segment_create(&second, 65536, &call) == 0);
    EXPECT(ringbus_segment_seal(&first, &call) == 0);
    ringbus_segment_close(&first);
    ringbus_segment_close(&second);
  }
  return NULL;
}

/* The child has a copy of the list as it was at some moment, of which the other threads have no part. */
static int have_one(void) {
  EXPECT(ringbus_segment_create(&all.segment, 65536, &failed_call) == 0);
  ringbus_segment_close(&all.segment);
  return 0;
}

static void test_threads_and_forks(void) {
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++)
    EXPECT(pthread_create(&threads[index], NULL, create_and_close, NULL) == 0);
  for (int index = 0; index < FORKS; index++) EXPECT(in_child(have_one) == 0);
  for (int index = 0; index < THREADS; index++) EXPECT(pthread_join(threads[index], NULL) == 0);
}

int main(void) {
  test_a_record_travels();
  test_bytes_may_come_from_the_ring_itself();
  test_sizes();
  test_what_a_broker_makes();
  test_what_is_not_mapped();
  test_memory_is_reserved_as_the_head_advances();
  test_a_claim_without_memory_leaves_the_ring_as_it_was();
  test_an_unreserved_part_reads_as_zeros();
  test_send();
  test_a_forked_child_has_nothing_of_it();
  test_a_forked_child_may_have_its_own();
  test_threads_and_forks();
  return 0;
}
