#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "ringbus_host.h"

int ringbus_duplicate(int fd, int *duplicate, const char **failed_call) {
  *duplicate = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (*duplicate >= 0) return 0;
  *failed_call = "fcntl";
  return -errno;
}
