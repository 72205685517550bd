#define _GNU_SOURCE
#include "status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum status failed(const char *call) {
  return refused(STATUS_FAILED, "%s: %s", call, strerror(errno));
}

enum status refused(enum status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("floors: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return status;
}

_Noreturn void die(const char *call) {
  _exit(failed(call));
}

_Noreturn void die_because(const char *reason) {
  _exit(refused(STATUS_FAILED, "%s", reason));
}
