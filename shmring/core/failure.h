/* How the files of the core report a system call that failed. */
#ifndef RINGBUS_FAILURE_H
#define RINGBUS_FAILURE_H

#include <errno.h>

static inline int failure(const char *call, const char **failed_call) {
  *failed_call = call;
  return -errno;
}

/* The call succeeded, but what it answered will not do. */
static inline int refusal(int result, const char *call, const char **failed_call) {
  *failed_call = call;
  return result;
}

#endif
