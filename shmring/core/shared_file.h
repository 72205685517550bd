/* Memory without a name that processes share: a sealed file, its maps, and the way its descriptor travels. Linux only. */
#ifndef RINGBUS_SHARED_FILE_H
#define RINGBUS_SHARED_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file of `bytes`, mode 0600, of a size that nobody changes any more. It has no memory yet. Returns a descriptor. */
int shared_file_create(const char *name, uint64_t bytes, const char **failed_call);

/* Gives memory to the first `bytes`, so that touching them cannot end in a SIGBUS. */
int shared_file_allocate(int fd, uint64_t offset, uint64_t bytes, const char **failed_call);

/* Whether a descriptor that came is a file of exactly this size, sealed: a map of it cannot end in a SIGBUS. */
int shared_file_check(int fd, uint64_t bytes, const char **failed_call);

/* A map that no forked child inherits; NULL with errno set. */
void *shared_file_map(int fd, size_t length, int protection, off_t offset, const char **failed_call);

/* Sends bytes, at least one, with the descriptor on the first of them; `*sent` and results as from ringbus_send. */
int shared_file_send(int fd, int socket_fd, const void *bytes, size_t length, size_t *sent,
                     const char **failed_call);

#endif
