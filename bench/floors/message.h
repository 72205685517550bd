/*
 * What is sent. The receiver knows from a message alone whether it is whole and the next one.
 *
 *   0        8                 n-8
 *   | number | … pattern …     | ~number |
 */
#ifndef FLOORS_MESSAGE_H
#define FLOORS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The smallest message that holds both fields. */
#define MESSAGE_BYTES_MIN 16

/* Set in the number of a stream's last message. */
#define LAST_MESSAGE (UINT64_C(1) << 63)

/* So many bytes with headroom before them, filled with the pattern; NULL: there is no memory. */
unsigned char *make_messages(size_t bytes);

void free_messages(unsigned char *messages);

static inline void number_message(unsigned char *message, size_t bytes, uint64_t number) {
  const uint64_t check = ~number;
  memcpy(message, &number, sizeof number);
  memcpy(message + bytes - sizeof check, &check, sizeof check);
}

static inline uint64_t message_number(const unsigned char *message) {
  uint64_t number;
  memcpy(&number, message, sizeof number);
  return number;
}

/* Whether both ends belong to one message. */
static inline bool is_whole(const unsigned char *message, size_t bytes) {
  uint64_t check;
  memcpy(&check, message + bytes - sizeof check, sizeof check);
  return check == ~message_number(message);
}

#endif
