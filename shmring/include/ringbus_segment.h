/*
 * Segments: memory without a name that the broker creates, one publisher writes and any number of subscribers
 * read. ringbus_layout.h says what lies where.
 *
 *     broker        create ── send(rw) ── seal ── send(ro) …            read, post      close
 *     owner                     └─ map ──┘ (claims only after the seal)  reserve, write  close
 *     reader                                 └─ map                     reads           close
 *
 * The seal (F_SEAL_FUTURE_WRITE) refuses every later writable map, mprotect, write and hole punch to everyone,
 * whatever descriptor they hold, while the owner's map goes on working. It is set once the owner has mapped,
 * and read back; only then can a read-only descriptor be had. Sizes are sealed at birth, so no map can end in
 * a SIGBUS because somebody cut the file.
 *
 * Results are those of ringbus_errors.h. After a negative result the structure is empty: closing it does
 * nothing. The functions that take a descriptor over close it in every case.
 *
 * Threads. One structure is used by one thread at a time; different ones by any. A structure stays where it
 * is in memory from the call that fills it to the one that closes it.
 *
 * Forks. No map is inherited by a forked child (MADV_DONTFORK), and the descriptors of segments are closed in
 * it: it holds no memory that its parent thinks is gone, and an unrelated program started from it can neither
 * read nor write. A child must not use the structures that it has copied.
 *
 * After a crash. The kernel unmaps and closes. A segment is gone with the last map and descriptor of it, those
 * in messages that nobody will receive included. Nothing is left to be cleaned up, and nothing has a name.
 *
 * Outside Linux everything here returns -ENOTSUP.
 */
#ifndef RINGBUS_SEGMENT_H
#define RINGBUS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ringbus_errors.h"
#include "ringbus_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory is reserved in steps of at least this: few calls, and none that the event loop would feel. */
#define RINGBUS_RESERVE_BYTES_MIN 1048576u

/* What a reservation leaves free below a memory limit, for the heap and whatever the kernel takes meanwhile:
 * past the limit there is no error, the kernel kills. */
#define RINGBUS_HEADROOM_LEFT_BYTES 8388608u

/* A descriptor that a forked child closes; fd is -1 where there is none. */
struct ringbus_descriptor {
  int fd;
  struct ringbus_descriptor *next;
  struct ringbus_descriptor **link; /* what points here */
};

/* Whether a data area may have so many bytes: a multiple of 64 KiB from that up to 1 GiB. */
bool ringbus_is_data_size(uint64_t data_bytes);

/* The broker's side. */
struct ringbus_segment {
  struct ringbus_descriptor writable;  /* until the seal */
  struct ringbus_descriptor read_only; /* from the seal on */
  struct ringbus_control *control;
  uint64_t data_bytes;
};

/* An empty ring of `data_bytes`, mode 0600, sizes sealed. Its memory is not allocated but for the control area. */
int ringbus_segment_create(struct ringbus_segment *segment, uint64_t data_bytes, const char **failed_call);

/*
 * Sets the write seal and forbids further ones, reads both back, and trades the writable descriptor for a
 * read-only one. -EPERM when the seals are not there afterwards. After a failure the segment is to be closed:
 * nobody may be given it.
 */
int ringbus_segment_seal(struct ringbus_segment *segment, const char **failed_call);

/*
 * Sends bytes, at least one, with a descriptor of the segment on the first of them: the writable one, which is
 * there before the seal, or the read-only one, there after it; -EPERM for the wrong time. Does not wait:
 * `*sent` is how many bytes the socket took, and 0 when it is full (then the descriptor was not sent either).
 * RINGBUS_PEER_GONE as from ringbus_send.
 */
int ringbus_segment_send(const struct ringbus_segment *segment, int socket_fd, const void *bytes,
                         size_t length, bool writable, size_t *sent, const char **failed_call);

/* Copies from the data area by pread: what the owner has not reserved reads as zeros, and allocates nothing. */
int ringbus_segment_read(const struct ringbus_segment *segment, uint64_t offset, void *target, size_t length,
                         const char **failed_call);

/* Bytes of memory that the data area occupies. */
int ringbus_segment_reserved(const struct ringbus_segment *segment, uint64_t *bytes, const char **failed_call);

void ringbus_segment_close(struct ringbus_segment *segment);

/* The publisher's side: the whole segment, writable. */
struct ringbus_owner {
  struct ringbus_descriptor descriptor;
  unsigned char *map;
  uint64_t data_bytes;
  uint64_t reserved; /* bytes from the start of the data area that have memory */
  struct ringbus_ring ring;
};

/* Takes `fd` over. -EPERM without the size seals, -EBADMSG for another size or layout than `data_bytes` implies. */
int ringbus_owner_map(struct ringbus_owner *owner, int fd, uint64_t data_bytes, const char **failed_call);

/*
 * Claims memory for `length` bytes, at least 1: ringbus_ring_plan, the reservation of what the plan needs, and
 * ringbus_ring_take. RINGBUS_WAIT (fills `need`) and RINGBUS_TOO_LARGE as there. -ENOMEM when the memory is
 * not to be had within a limit; the ring is then as before, and a smaller claim may succeed.
 */
int ringbus_owner_claim(struct ringbus_owner *owner, uint64_t length, struct ringbus_claim *claim,
                        uint32_t *need, const char **failed_call);

/* Where `length` bytes at `position` lie; NULL unless they are one piece of what was claimed. */
unsigned char *ringbus_owner_span(const struct ringbus_owner *owner, uint64_t position, uint64_t length);

/* Copies the bytes of a record to what ringbus_owner_span gave. They may overlap. */
void ringbus_owner_write(unsigned char *span, const void *bytes, size_t length);

void ringbus_owner_close(struct ringbus_owner *owner);

/* A subscriber's side: the data area, read-only. It needs no descriptor any more. */
struct ringbus_reader {
  const unsigned char *data;
  uint64_t data_bytes;
  uint64_t touched; /* bytes from the start that have been copied from: their pages are mapped, as a rule */
};

/* Takes `fd` over. -EPERM without the size seals, -EBADMSG for another size. */
int ringbus_reader_map(struct ringbus_reader *reader, int fd, uint64_t data_bytes, const char **failed_call);

/* Copies bytes of the data area, which the caller has found to lie within it, to memory of its own. */
void ringbus_reader_copy(struct ringbus_reader *reader, uint64_t offset, void *target, size_t length);

void ringbus_reader_close(struct ringbus_reader *reader);

/*
 * How many bytes this process may still allocate before a memory limit of its control group, or of one above
 * it, makes the kernel kill: UINT64_MAX without a limit, or where there are no control groups. Pages that hold
 * only unused file contents count as free. `root` is "" but in tests: a folder with proc/ and sys/ in it.
 */
uint64_t ringbus_memory_headroom(const char *root);

#ifdef __cplusplus
}
#endif

#endif
