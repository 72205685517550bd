#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "portable.h"
#include "ringbus_segment.h"

/*
 * Control groups of version 2 have one hierarchy, mounted at /sys/fs/cgroup, or beside version 1 at its
 * `unified`; version 1 has one for memory alone. A process is told its place in each by /proc/self/cgroup,
 * seen from its own namespace or, where that is not set up, from the host: then the folders that it names do
 * not exist below a container's mount, whose top is the container's own group. So every folder from there up to
 * the mount is looked at, and those that are missing are passed over.
 */

/* A line of /proc/self/cgroup per hierarchy; memory.stat has the figure in its first few dozen lines. */
#define TEXT_BYTES_MAX 8192

struct hierarchy {
  const char *mount;
  const char *limit;
  const char *usage;
  const char *reclaimable; /* the line of memory.stat with file contents that nobody uses */
};

static const struct hierarchy version_2 = {"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};
static const struct hierarchy version_2_beside_1 = {"sys/fs/cgroup/unified", "memory.max", "memory.current",
                                                    "inactive_file "};
static const struct hierarchy version_1 = {"sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                           "memory.usage_in_bytes", "total_inactive_file "};

/* False when there is no such file; a longer one is cut. */
static bool read_text(const char *path, char text[TEXT_BYTES_MAX]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t length = 0;
  ssize_t result;
  while ((result = read(fd, text + length, TEXT_BYTES_MAX - 1 - length)) > 0) length += (size_t)result;
  close(fd);
  text[length] = '\0';
  return result == 0;
}

static bool read_figure(const char *folder, const char *name, uint64_t *figure) {
  char path[PATH_MAX], text[TEXT_BYTES_MAX];
  const char *end;
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX || !read_text(path, text)) return false;
  *figure = portable_decimal(text, &end);
  /* "max" is no number: there is no limit. */
  return end != text && *figure != UINT64_MAX;
}

static uint64_t reclaimable_bytes(const char *folder, const char *line) {
  char path[PATH_MAX], text[TEXT_BYTES_MAX];
  if (snprintf(path, sizeof path, "%s/memory.stat", folder) >= PATH_MAX || !read_text(path, text)) return 0;
  for (const char *place = text; place != NULL; place = strchr(place, '\n')) {
    if (*place == '\n') place++;
    if (strncmp(place, line, strlen(line)) == 0) return portable_decimal(place + strlen(line), &place);
  }
  return 0;
}

static uint64_t headroom_of(const char *folder, const struct hierarchy *hierarchy) {
  uint64_t limit, usage;
  if (!read_figure(folder, hierarchy->limit, &limit)) return UINT64_MAX;
  if (!read_figure(folder, hierarchy->usage, &usage)) return UINT64_MAX;
  uint64_t reclaimable = reclaimable_bytes(folder, hierarchy->reclaimable);
  uint64_t used = usage > reclaimable ? usage - reclaimable : 0;
  return limit > used ? limit - used : 0;
}

/* The least of the group at `group`, an absolute path within the hierarchy, and of all above it. */
static uint64_t headroom_along(const char *root, const struct hierarchy *hierarchy, const char *group) {
  char folder[PATH_MAX];
  int mount = snprintf(folder, sizeof folder, "%s/%s", root, hierarchy->mount);
  if (mount < 0 || mount >= PATH_MAX) return UINT64_MAX;
  /* ".." is how a group above the namespace's top is told: nothing of its path is to be seen from here. */
  bool is_visible = strstr(group, "/..") == NULL && strlen(group) < sizeof folder - (size_t)mount;
  if (is_visible && strcmp(group, "/") != 0) strcpy(folder + mount, group);
  uint64_t least = UINT64_MAX;
  for (;;) {
    uint64_t headroom = headroom_of(folder, hierarchy);
    if (headroom < least) least = headroom;
    char *slash = strrchr(folder + mount, '/');
    if (slash == NULL) return least;
    *slash = '\0';
  }
}

/* Whether the comma-separated list has the controller. */
static bool has_memory(char *controllers) {
  char *rest = controllers;
  for (char *name; (name = strsep(&rest, ",")) != NULL;) {
    if (strcmp(name, "memory") == 0) return true;
  }
  return false;
}

/* A line is "number:controllers:path"; version 2 has number 0 and no controllers. */
static uint64_t headroom_of_line(const char *root, char *line) {
  char *number = strsep(&line, ":"), *controllers = strsep(&line, ":"), *group = line;
  if (group == NULL) return UINT64_MAX;
  if (strcmp(number, "0") == 0 && *controllers == '\0') {
    uint64_t alone = headroom_along(root, &version_2, group);
    uint64_t beside = headroom_along(root, &version_2_beside_1, group);
    return alone < beside ? alone : beside;
  }
  return has_memory(controllers) ? headroom_along(root, &version_1, group) : UINT64_MAX;
}

uint64_t ringbus_memory_headroom(const char *root) {
  char path[PATH_MAX], text[TEXT_BYTES_MAX];
  if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= PATH_MAX) return UINT64_MAX;
  if (!read_text(path, text)) return UINT64_MAX;
  uint64_t least = UINT64_MAX;
  char *rest = text;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    uint64_t headroom = headroom_of_line(root, line);
    if (headroom < least) least = headroom;
  }
  return least;
}
