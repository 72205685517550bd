#include "limit.h"

#include <stdio.h>

enum status within_limit(size_t message_bytes, const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return STATUS_OK;
  size_t limit;
  const int found = fscanf(file, "%zu", &limit);
  fclose(file);
  if (found != 1 || message_bytes <= limit) return STATUS_OK;
  return refused(STATUS_IMPOSSIBLE, "a message may have %zu bytes here (%s), not %zu", limit, path, message_bytes);
}
