/*
 * After the seal nobody can write to a segment but its owner's map: every other way that the kernel knows of is
 * tried, with each descriptor that anybody may hold, as the same user and as another one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "ringbus_layout.h"
#include "ringbus_segment.h"

#define DATA_BYTES 65536u
#define ALL_BYTES (RINGBUS_CONTROL_BYTES + DATA_BYTES)
#define NOBODY 65534

static struct ringbus_segment segment;
static struct ringbus_owner owner;
static struct ringbus_reader reader;
static const char *failed_call;

static int copy_of(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  EXPECT(copy >= 0);
  return copy;
}

static void set_up(void) {
  EXPECT(ringbus_segment_create(&segment, DATA_BYTES, &failed_call) == 0);
  EXPECT(ringbus_owner_map(&owner, copy_of(segment.writable.fd), DATA_BYTES, &failed_call) == 0);
}

static void seal(void) {
  EXPECT(ringbus_segment_seal(&segment, &failed_call) == 0);
  EXPECT(ringbus_reader_map(&reader, copy_of(segment.read_only.fd), DATA_BYTES, &failed_call) == 0);
}

static void tear_down(void) {
  ringbus_reader_close(&reader);
  ringbus_owner_close(&owner);
  ringbus_segment_close(&segment);
}

static const char *path_of(int fd) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}

/* Each returns whether it got through; nothing but EPERM, EACCES and EBADF is a refusal. */
static bool is_done(long result) {
  if (result >= 0) return true;
  EXPECT(errno == EPERM || errno == EACCES || errno == EBADF || errno == EINVAL);
  return false;
}

static bool can_map(int fd) {
  void *map = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return is_done(-1);
  munmap(map, ALL_BYTES);
  return true;
}

static bool can_make_map_writable(int fd) {
  void *map = mmap(NULL, ALL_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  EXPECT(map != MAP_FAILED);
  bool done = is_done(mprotect(map, ALL_BYTES, PROT_READ | PROT_WRITE));
  munmap(map, ALL_BYTES);
  return done;
}

static bool can_pwritev(int fd) {
  struct iovec part = {.iov_base = (void *)"w", .iov_len = 1};
  return is_done(pwritev(fd, &part, 1, RINGBUS_CONTROL_BYTES));
}

static bool can_sendfile(int fd) {
  int source = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT(source >= 0 && lseek(fd, RINGBUS_CONTROL_BYTES, SEEK_SET) >= 0);
  bool done = is_done(sendfile(fd, source, NULL, 1));
  close(source);
  return done;
}

static bool can_punch(int fd) {
  return is_done(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, RINGBUS_CONTROL_BYTES, DATA_BYTES));
}

/* Ways to change contents, as a set of bits. */
static int count_ways(int fd) {
  EXPECT(lseek(fd, RINGBUS_CONTROL_BYTES, SEEK_SET) >= 0);
  return can_map(fd) | can_make_map_writable(fd) << 1 | is_done(write(fd, "w", 1)) << 2 |
         is_done(pwrite(fd, "w", 1, RINGBUS_CONTROL_BYTES)) << 3 | can_pwritev(fd) << 4 |
         can_sendfile(fd) << 5 | can_punch(fd) << 6;
}

static bool can_change_size_or_seals(int fd) {
  return is_done(ftruncate(fd, 0)) || is_done(ftruncate(fd, 2 * ALL_BYTES)) ||
         is_done(fallocate(fd, 0, 0, 2 * ALL_BYTES)) || is_done(open(path_of(fd), O_RDWR | O_TRUNC)) ||
         is_done(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

static int reopen(int fd) { return open(path_of(fd), O_RDWR | O_CLOEXEC); }

/* Without it, what is refused below might never have been possible. */
static void test_before_the_seal_all_ways_are_open(void) {
  set_up();
  EXPECT(count_ways(segment.writable.fd) == 127);
  int again = reopen(segment.writable.fd);
  EXPECT(again >= 0 && count_ways(again) == 127);
  close(again);
  tear_down();
}

static void test_after_it_none_is(void) {
  set_up();
  int given = copy_of(owner.descriptor.fd);
  seal();
  EXPECT(count_ways(given) == 0 && !can_change_size_or_seals(given));
  EXPECT(count_ways(segment.read_only.fd) == 0 && !can_change_size_or_seals(segment.read_only.fd));
  /* The file is this user's own, so it may be opened once more; that is all. */
  int again = reopen(segment.read_only.fd);
  EXPECT(again >= 0 && count_ways(again) == 0 && !can_change_size_or_seals(again));
  close(again);
  close(given);
  tear_down();
}

static void test_the_owners_map_goes_on_working(void) {
  set_up();
  seal();
  struct ringbus_claim claim;
  uint32_t need;
  EXPECT(ringbus_owner_claim(&owner, DATA_BYTES, &claim, &need, &failed_call) == 0);
  ringbus_owner_write(ringbus_owner_span(&owner, 0, 5), "after", 5);
  EXPECT(memcmp(reader.data, "after", 5) == 0);
  /* But not even by it can pages be taken from under the readers. */
  EXPECT(madvise(owner.map, ALL_BYTES, MADV_REMOVE) == -1 && errno == EPERM);
  EXPECT(memcmp(reader.data, "after", 5) == 0);
  tear_down();
}

/* By the kernel's own hand, which may write where the process may not, but not to a shared map. */
static void test_a_readers_map_cannot_be_forced(void) {
  set_up();
  seal();
  void *map = (void *)reader.data;
  EXPECT(mprotect(map, DATA_BYTES, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
  EXPECT(madvise(map, DATA_BYTES, MADV_REMOVE) == -1 && (errno == EACCES || errno == EPERM));
  int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  EXPECT(memory >= 0 && pwrite(memory, "w", 1, (off_t)(uintptr_t)map) == -1);
  close(memory);
  struct iovec local = {.iov_base = (void *)"w", .iov_len = 1}, remote = {.iov_base = map, .iov_len = 1};
  EXPECT(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == -1);
  int pipe_ends[2];
  EXPECT(pipe(pipe_ends) == 0 && write(pipe_ends[1], "w", 1) == 1);
  EXPECT(read(pipe_ends[0], map, 1) == -1 && errno == EFAULT);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  EXPECT(reader.data[0] == 0);
  tear_down();
}

/* --- as another user: a subscriber that was given a read-only descriptor --- */

static int owner_fd, given_fd;
static pid_t parent;

static bool can_take_from_parent(void) {
  int pidfd = (int)syscall(SYS_pidfd_open, parent, 0);
  EXPECT(pidfd >= 0);
  bool done = is_done(syscall(SYS_pidfd_getfd, pidfd, owner_fd, 0));
  close(pidfd);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", parent, owner_fd);
  return done || is_done(open(path, O_RDWR | O_CLOEXEC));
}

/* Ends with the number of the first thing that it could do, or 0. */
static int be_nobody(void) {
  EXPECT(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  /* A change of user has closed /proc/self to it, which would refuse for another reason. */
  EXPECT(prctl(PR_SET_DUMPABLE, 1) == 0 && access("/proc/self/fd", R_OK) == 0);
  int again = open(path_of(given_fd), O_RDONLY | O_CLOEXEC);
  EXPECT(again < 0 && errno == EACCES);
  if (is_done(reopen(given_fd))) return 1;
  if (is_done(fchmod(given_fd, 0666))) return 2;
  if (count_ways(given_fd) != 0 || can_change_size_or_seals(given_fd)) return 3;
  if (can_take_from_parent()) return 4;
  return 0;
}

static void test_another_user_gets_nothing_more(void) {
  if (getuid() != 0) return;
  set_up();
  seal();
  /* Not one of the registered ones, which a forked child closes. */
  given_fd = copy_of(segment.read_only.fd);
  owner_fd = owner.descriptor.fd;
  parent = getpid();
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) _exit(be_nobody());
  int status;
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(given_fd);
  tear_down();
}

int main(void) {
  test_before_the_seal_all_ways_are_open();
  test_after_it_none_is();
  test_the_owners_map_goes_on_working();
  test_a_readers_map_cannot_be_forced();
  test_another_user_gets_nothing_more();
  return 0;
}
