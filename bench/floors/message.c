#include "message.h"

#include <stdlib.h>

#include "mechanism.h"

#define PATTERN 0x5a

unsigned char *make_messages(size_t bytes) {
  unsigned char *memory = malloc(MESSAGE_HEADROOM_BYTES + bytes);
  if (memory == NULL) return NULL;
  memset(memory, PATTERN, MESSAGE_HEADROOM_BYTES + bytes);
  return memory + MESSAGE_HEADROOM_BYTES;
}

void free_messages(unsigned char *messages) {
  if (messages != NULL) free(messages - MESSAGE_HEADROOM_BYTES);
}
