/* Runs the parts of a measurement as processes, and ends them whatever happens. */
#ifndef FLOORS_SUPERVISOR_H
#define FLOORS_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

struct role {
  const char *name;
  /* Returns when its part is done; fails by `die`. */
  void (*run)(void *task);
  /* Never done: it serves the others, and is ended after them. */
  bool is_endless;
  /* On a processor of its own, as far as there are enough; otherwise wherever the kernel puts it. */
  bool is_apart;
};

#define ROLES_MAX 3

/*
 * To be called before anything is made that has to be removed: from then on the signals that end a program wait
 * for `supervise` or `end_as_told`.
 */
enum status supervise_signals(void);

/*
 * Forks a process for each role and waits for all that have an end. Fails if one of them does, if an endless one
 * ends, past the time, or when a signal says so. None of the processes is left afterwards.
 */
enum status supervise(const struct role *roles, size_t count, void *task, unsigned timeout_s);

/* Ends the process by the signal that has ended or would have ended `supervise`; returns if there was none. */
void end_as_told(void);

/* Zeroed memory that the processes forked later have in common; NULL: there is none. */
void *map_for_all(size_t bytes);

#endif
