/*
 * Memory limits as the kernel tells them, from a folder that looks like / as far as control groups go. Takes
 * an empty directory as its only argument.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "expect.h"
#include "ringbus_segment.h"

static const char *directory;
static char root[PATH_MAX];

/* Another empty root for each case. */
static void begin(const char *name) {
  EXPECT(snprintf(root, sizeof root, "%s/%s", directory, name) < PATH_MAX);
}

static void write_file(const char *name, const char *text) {
  char path[PATH_MAX];
  EXPECT(snprintf(path, sizeof path, "%s/%s", root, name) < PATH_MAX);
  for (char *slash = strchr(path + strlen(directory) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    EXPECT(mkdir(path, 0700) == 0 || errno == EEXIST);
    *slash = '/';
  }
  FILE *file = fopen(path, "w");
  EXPECT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static uint64_t headroom(void) { return ringbus_memory_headroom(root); }

static void test_no_control_groups(void) {
  begin("none");
  EXPECT(headroom() == UINT64_MAX);
  write_file("proc/self/cgroup", "");
  EXPECT(headroom() == UINT64_MAX);
  write_file("proc/self/cgroup", "nonsense\n0\n0:\n:::\n");
  EXPECT(headroom() == UINT64_MAX);
}

static void test_version_2(void) {
  begin("two");
  write_file("proc/self/cgroup", "0::/a/b\n");
  EXPECT(headroom() == UINT64_MAX);
  write_file("sys/fs/cgroup/a/b/memory.max", "max\n");
  write_file("sys/fs/cgroup/a/b/memory.current", "500\n");
  EXPECT(headroom() == UINT64_MAX);
  write_file("sys/fs/cgroup/a/b/memory.max", "2000\n");
  EXPECT(headroom() == 1500);
  /* A group above it may have less left. */
  write_file("sys/fs/cgroup/a/memory.max", "3000\n");
  write_file("sys/fs/cgroup/a/memory.current", "2900\n");
  EXPECT(headroom() == 100);
  /* And the one at the mount, as a container sees it. */
  write_file("sys/fs/cgroup/memory.max", "4000\n");
  write_file("sys/fs/cgroup/memory.current", "3990\n");
  EXPECT(headroom() == 10);
  write_file("sys/fs/cgroup/memory.current", "4001\n");
  EXPECT(headroom() == 0);
}

static void test_file_contents_count_as_free(void) {
  begin("files");
  write_file("proc/self/cgroup", "0::/a\n");
  write_file("sys/fs/cgroup/a/memory.max", "1000\n");
  write_file("sys/fs/cgroup/a/memory.current", "900\n");
  write_file("sys/fs/cgroup/a/memory.stat", "anon 100\nfile 700\ninactive_file_not 1\ninactive_file 600\n");
  EXPECT(headroom() == 700);
  /* The figures are not of one moment. */
  write_file("sys/fs/cgroup/a/memory.stat", "inactive_file 901\nactive_file 3\n");
  EXPECT(headroom() == 1000);
}

/* Without a namespace of its own a process in a container is told a path of the host's. */
static void test_folders_that_are_not_there(void) {
  begin("container");
  write_file("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
  write_file("sys/fs/cgroup/memory.max", "1000\n");
  write_file("sys/fs/cgroup/memory.current", "400\n");
  EXPECT(headroom() == 600);
  write_file("proc/self/cgroup", "0::/../elsewhere\n");
  EXPECT(headroom() == 600);
  write_file("proc/self/cgroup", "0::/\n");
  EXPECT(headroom() == 600);
}

static void test_version_1(void) {
  begin("one");
  write_file("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n1:name=systemd:/memory\n0::/u\n");
  write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write_file("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
  EXPECT(headroom() == UINT64_C(9223372036854771712) - 5000);
  write_file("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "3000\n");
  write_file("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "1000\n");
  EXPECT(headroom() == 2000);
  write_file("sys/fs/cgroup/memory/a/b/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
  EXPECT(headroom() == 2500);
  /* Its neighbours are none of its business. */
  write_file("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n");
  write_file("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1\n");
  EXPECT(headroom() == 2500);
  /* Both versions at once: memory may be limited by either. */
  write_file("sys/fs/cgroup/unified/u/memory.max", "70\n");
  write_file("sys/fs/cgroup/unified/u/memory.current", "7\n");
  EXPECT(headroom() == 63);
}

static void test_long_lists(void) {
  begin("long");
  char line[3000];
  memset(line, 'p', sizeof line);
  memcpy(line, "0::/", 4);
  strcpy(line + sizeof line - 2, "\n");
  write_file("proc/self/cgroup", line);
  write_file("sys/fs/cgroup/memory.max", "1000\n");
  write_file("sys/fs/cgroup/memory.current", "1\n");
  EXPECT(headroom() == 999);
  char longer[20000];
  memset(longer, 'p', sizeof longer);
  longer[sizeof longer - 1] = '\0';
  write_file("proc/self/cgroup", longer);
  EXPECT(headroom() == UINT64_MAX);
}

int main(int count, char **arguments) {
  EXPECT(count == 2);
  directory = arguments[1];
  test_no_control_groups();
  test_version_2();
  test_file_contents_count_as_free();
  test_folders_that_are_not_there();
  test_version_1();
  test_long_lists();
  return 0;
}
