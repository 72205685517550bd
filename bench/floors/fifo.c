/* Pipes with a name in the file system, which is gone again before the first message. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mechanism.h"
#include "stream.h"

#define PATH_BYTES_MAX 4096
#define FIFO_NAME "/fifo"

/* The reader first, without waiting for a writer, which alone would never come. */
static enum status open_ends(struct channel *channel, const char *path) {
  channel->source = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (channel->source < 0) return failed("open");
  channel->sink = open(path, O_WRONLY | O_CLOEXEC);
  if (channel->sink < 0) return failed("open");
  return fcntl(channel->source, F_SETFL, 0) == 0 ? STATUS_OK : failed("fcntl");
}

static enum status open_in(struct channel *channel, const char *folder) {
  char path[PATH_BYTES_MAX];
  snprintf(path, sizeof path, "%s" FIFO_NAME, folder);
  if (mkfifo(path, 0600) != 0) return failed("mkfifo");
  const enum status status = open_ends(channel, path);
  unlink(path);
  return status;
}

static enum status open_fifo(struct channel *channel) {
  const char *parent = getenv("TMPDIR");
  if (parent == NULL || parent[0] == '\0') parent = "/tmp";
  char folder[PATH_BYTES_MAX - sizeof FIFO_NAME];
  const int length = snprintf(folder, sizeof folder, "%s/floors-XXXXXX", parent);
  if (length >= (int)sizeof folder) return refused(STATUS_FAILED, "TMPDIR is too long");
  if (mkdtemp(folder) == NULL) return failed("mkdtemp");
  const enum status status = open_in(channel, folder);
  rmdir(folder);
  return status;
}

static enum status open_fifos(struct route *route, size_t message_bytes) {
  (void)message_bytes;
  return open_both(route, open_fifo);
}

const struct mechanism fifo_mechanism = {
  .name = "fifo",
  .is_stream = true,
  .open = open_fifos,
  .send = write_all,
  .receive = read_all,
  .close = close_descriptors,
};
