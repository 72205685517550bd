/*
 * A client fetches a segment's descriptor: a connection of its own, one request, one answer.
 *
 * Results are those of ringbus_errors.h. The call blocks, so it belongs on a thread of its own; any thread may
 * call it at any time. Nothing but the descriptor that it returns is left open, whatever the result.
 */
#ifndef RINGBUS_ATTACH_H
#define RINGBUS_ATTACH_H

#include <stddef.h>

#include "ringbus_errors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest control frame of the protocol, and room for what is around its body. */
#define RINGBUS_ANSWER_BYTES_MAX (65536u + 64u)

struct ringbus_answer {
  int fd;        /* the caller's, close-on-exec; -1 when none came */
  size_t length; /* bytes of the answer: one padded frame, or less when the stream ended before */
  unsigned char bytes[RINGBUS_ANSWER_BYTES_MAX];
};

/*
 * Connects to the socket at `path`, sends the request, and receives until a whole frame is there (its first
 * word is its length, which the stream pads to 4) or the stream ends. -ETIMEDOUT after `timeout_ms` in all;
 * -EMFILE when a descriptor came and this process, or the host, had no number left for it; -EPROTO when more
 * than one came; -EMSGSIZE for a frame longer than the answer has room for. Descriptors that came with an
 * error are closed.
 */
int ringbus_attach(const char *path, const void *request, size_t length, int timeout_ms,
                   struct ringbus_answer *answer, const char **failed_call);

#ifdef __cplusplus
}
#endif

#endif
