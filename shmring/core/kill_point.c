#define _GNU_SOURCE
#include "ringbus_kill_point.h"

#ifdef RINGBUS_KILL_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portable.h"

/* One point a process, so one counter: hits of the point that the environment names. */
static atomic_uint_fast64_t hits;

/* The names have colons of their own; the count is what stands behind the last one, if it is a number. */
static int is_named(const char *setting, const char *name, uint64_t *hit) {
  size_t length = strlen(name);
  if (strncmp(setting, name, length) != 0) return 0;
  *hit = 1;
  if (setting[length] == '\0') return 1;
  if (setting[length] != ':') return 0;
  const char *end;
  *hit = portable_decimal(setting + length + 1, &end);
  return *end == '\0' && *hit > 0;
}

void ringbus_kill_point(const char *name) {
  const char *setting = getenv("RINGBUS_KILL_POINT");
  uint64_t hit;
  if (setting == NULL || !is_named(setting, name, &hit)) return;
  if (atomic_fetch_add(&hits, 1) + 1 != hit) return;
  kill(getpid(), SIGKILL);
  /* The signal is on its way; nothing more may be seen of this process. */
  for (;;) pause();
}

#endif
