/* Elsewhere than on Linux there are no segments: every way to one ends here. */
#ifndef __linux__
#include <unistd.h>

#include "failure.h"
#include "ringbus_attach.h"
#include "ringbus_pair.h"
#include "ringbus_segment.h"

bool ringbus_is_data_size(uint64_t data_bytes) {
  (void)data_bytes;
  return false;
}

int ringbus_segment_create(struct ringbus_segment *segment, uint64_t data_bytes, const char **failed_call) {
  *segment = (struct ringbus_segment){.writable = {.fd = -1}, .read_only = {.fd = -1}, .data_bytes = data_bytes};
  return refusal(-ENOTSUP, "memfd_create", failed_call);
}

int ringbus_segment_seal(struct ringbus_segment *segment, const char **failed_call) {
  (void)segment;
  return refusal(-ENOTSUP, "fcntl", failed_call);
}

int ringbus_segment_send(const struct ringbus_segment *segment, int socket_fd, const void *bytes,
                         size_t length, bool writable, size_t *sent, const char **failed_call) {
  (void)segment, (void)socket_fd, (void)bytes, (void)length, (void)writable;
  *sent = 0;
  return refusal(-ENOTSUP, "sendmsg", failed_call);
}

int ringbus_segment_read(const struct ringbus_segment *segment, uint64_t offset, void *target, size_t length,
                         const char **failed_call) {
  (void)segment, (void)offset, (void)target, (void)length;
  return refusal(-ENOTSUP, "pread", failed_call);
}

int ringbus_segment_reserved(const struct ringbus_segment *segment, uint64_t *bytes, const char **failed_call) {
  (void)segment;
  *bytes = 0;
  return refusal(-ENOTSUP, "fstat", failed_call);
}

void ringbus_segment_close(struct ringbus_segment *segment) { (void)segment; }

int ringbus_owner_map(struct ringbus_owner *owner, int fd, uint64_t data_bytes, const char **failed_call) {
  *owner = (struct ringbus_owner){.descriptor = {.fd = -1}, .data_bytes = data_bytes};
  close(fd);
  return refusal(-ENOTSUP, "mmap", failed_call);
}

int ringbus_owner_claim(struct ringbus_owner *owner, uint64_t length, struct ringbus_claim *claim,
                        uint32_t *need, const char **failed_call) {
  (void)owner, (void)length, (void)claim, (void)need;
  return refusal(-ENOTSUP, "claim", failed_call);
}

unsigned char *ringbus_owner_span(const struct ringbus_owner *owner, uint64_t position, uint64_t length) {
  (void)owner, (void)position, (void)length;
  return NULL;
}

void ringbus_owner_write(unsigned char *span, const void *bytes, size_t length) {
  (void)span, (void)bytes, (void)length;
}

void ringbus_owner_close(struct ringbus_owner *owner) { (void)owner; }

int ringbus_reader_map(struct ringbus_reader *reader, int fd, uint64_t data_bytes, const char **failed_call) {
  *reader = (struct ringbus_reader){.data_bytes = data_bytes};
  close(fd);
  return refusal(-ENOTSUP, "mmap", failed_call);
}

void ringbus_reader_copy(struct ringbus_reader *reader, uint64_t offset, void *target, size_t length) {
  (void)reader, (void)offset, (void)target, (void)length;
}

void ringbus_reader_close(struct ringbus_reader *reader) { (void)reader; }

int ringbus_pair_create(struct ringbus_pair *pair, uint32_t capacity, const char **failed_call) {
  *pair = (struct ringbus_pair){.descriptor = {.fd = -1}, .capacity = capacity};
  return refusal(-ENOTSUP, "memfd_create", failed_call);
}

int ringbus_pair_send(struct ringbus_pair *pair, int socket_fd, const void *bytes, size_t length, size_t *sent,
                      const char **failed_call) {
  (void)pair, (void)socket_fd, (void)bytes, (void)length;
  *sent = 0;
  return refusal(-ENOTSUP, "sendmsg", failed_call);
}

int ringbus_pair_map(struct ringbus_pair *pair, int fd, uint32_t capacity, const char **failed_call) {
  *pair = (struct ringbus_pair){.descriptor = {.fd = -1}, .capacity = capacity};
  close(fd);
  return refusal(-ENOTSUP, "mmap", failed_call);
}

int ringbus_pair_write(struct ringbus_pair *pair, const void *bytes, size_t length, size_t *taken) {
  (void)pair, (void)bytes, (void)length;
  *taken = 0;
  return -ENOTSUP;
}

int ringbus_pair_read(struct ringbus_pair *pair, void *target, size_t length, size_t *taken) {
  (void)pair, (void)target, (void)length;
  *taken = 0;
  return -ENOTSUP;
}

int ringbus_pair_rest(struct ringbus_pair *pair) {
  (void)pair;
  return 0;
}

void ringbus_pair_close(struct ringbus_pair *pair) { (void)pair; }

int ringbus_attach(const char *path, const void *request, size_t length, int timeout_ms,
                   struct ringbus_answer *answer, const char **failed_call) {
  (void)path, (void)request, (void)length, (void)timeout_ms;
  answer->fd = -1;
  answer->length = 0;
  return refusal(-ENOTSUP, "connect", failed_call);
}
#endif
