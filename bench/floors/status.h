/* How the program ends, and how its parts say so: each writes one line to the standard error when it fails. */
#ifndef FLOORS_STATUS_H
#define FLOORS_STATUS_H

enum status {
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
  /* This machine does not allow what was asked for, by a limit or for want of the mechanism: no fault. */
  STATUS_IMPOSSIBLE = 3,
};

/* Names the system call that has just failed; returns STATUS_FAILED. */
enum status failed(const char *call);

/* Writes a line; returns the status. */
enum status refused(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* In a process that was forked: names the system call that has just failed, and ends the process. */
_Noreturn void die(const char *call);

/* The same where no call is to blame. */
_Noreturn void die_because(const char *reason);

#endif
