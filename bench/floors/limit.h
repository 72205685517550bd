/* Limits of the kernel that a user can read. */
#ifndef FLOORS_LIMIT_H
#define FLOORS_LIMIT_H

#include <stddef.h>

#include "status.h"

/* Impossible when the file names a smaller number; where it cannot be read, the call that follows will tell. */
enum status within_limit(size_t message_bytes, const char *path);

#endif
