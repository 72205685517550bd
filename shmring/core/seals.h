/* The seals that ringbus sets and asks for. Linux only, after <fcntl.h> with _GNU_SOURCE. */
#ifndef RINGBUS_SEALS_H
#define RINGBUS_SEALS_H

#include <fcntl.h>

#include "failure.h"

/* Linux 5.1; older C libraries do not name it. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW, WRITE_SEALS = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

/* -EPERM unless the file has all of these seals; -EINVAL for a file that cannot be sealed. */
static inline int check_seals(int fd, int seals, const char **failed_call) {
  int present = fcntl(fd, F_GET_SEALS);
  if (present < 0) return failure("fcntl", failed_call);
  return (present & seals) == seals ? 0 : refusal(-EPERM, "fcntl", failed_call);
}

#endif
