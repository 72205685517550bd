#include "stream.h"

#include <errno.h>
#include <unistd.h>

void write_all(struct channel *channel, const unsigned char *bytes, size_t length) {
  while (length > 0) {
    const ssize_t written = write(channel->sink, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) die("write");
    bytes += written;
    length -= (size_t)written;
  }
}

void read_all(struct channel *channel, unsigned char *bytes, size_t length) {
  while (length > 0) {
    const size_t got = read_some(channel, bytes, length);
    bytes += got;
    length -= got;
  }
}

size_t read_some(struct channel *channel, unsigned char *bytes, size_t length) {
  ssize_t got;
  do {
    got = read(channel->source, bytes, length);
  } while (got < 0 && errno == EINTR);
  if (got < 0) die("read");
  if (got == 0) die_because("read: the other end is closed");
  return (size_t)got;
}
