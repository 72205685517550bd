/*
 * What ringbus asks of its host and Node.js does not offer: a lock that dies with its holder, the identity
 * of a peer, a second descriptor for an open socket, a write that tells at once how much was taken, and a
 * process that others of its user cannot inspect.
 *
 * Results are those of ringbus_errors.h; with a negative one the call changed nothing and holds nothing.
 * Conditions are those of enum ringbus_host_condition.
 *
 * Callers. Every function may be called from any thread at any time, but not from a signal handler. None
 * keeps state between calls, allocates memory or waits. Descriptors that a function returns are
 * close-on-exec and belong to the caller.
 *
 * After a crash. Everything here lives in descriptors or in the process itself, so whatever ends the process
 * ends it: the kernel closes the descriptors, and with the last one of a lock it drops the lock.
 */
#ifndef RINGBUS_HOST_H
#define RINGBUS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ringbus_errors.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ringbus_host_condition {
  RINGBUS_HELD = 1,        /* another descriptor, here or in another process, holds the lock */
  RINGBUS_UNSUPPORTED = 2, /* this platform has no such notion; nothing was done */
  RINGBUS_PEER_GONE = 3    /* nobody reads the socket any longer */
};

struct ringbus_lock {
  int fd;           /* on success: the lock; otherwise -1 */
  pid_t holder_pid; /* on RINGBUS_HELD: what the holder wrote, or 0 when it is not to be had */
};

/*
 * Takes the lock at `path`, an absolute or relative path of a file that is created when missing (mode 0600)
 * and that holds the holder's process id as text. Symbolic links, files with further names and anything but
 * regular files are refused and left untouched. The caller vouches for the directory.
 *
 * The lock belongs to the open file: a second acquisition in the same process meets RINGBUS_HELD, whichever
 * thread asks. Programs that are executed do not inherit it. A child that is only forked keeps it until it
 * executes or ends.
 *
 * holder_pid is for messages to people alone. It may be outdated by the time it is read, a holder that has
 * only just taken the lock may not have written it, and another pid namespace counts differently.
 */
int ringbus_lock_acquire(const char *path, struct ringbus_lock *lock, const char **failed_call);

/*
 * Gives the lock up by closing `fd`, which is closed whatever the result. The file stays: whoever removed it
 * could not know that nobody has opened it meanwhile, and that opener would lock a file without a name while
 * the next one creates, and locks, another.
 */
int ringbus_lock_release(int fd, const char **failed_call);

struct ringbus_peer {
  pid_t pid; /* 0 when the platform does not tell (macOS), or the peer lives in another pid namespace */
  uid_t uid;
  gid_t gid;
};

/*
 * Who is at the other end of a connected Unix stream socket: for an accepted one the process that called
 * connect, for a connecting one the process that called listen, as they were at that moment. The uid is what
 * the kernel vouches for; the pid may since have ended and been given to another process.
 */
int ringbus_peer_credentials(int fd, struct ringbus_peer *peer, const char **failed_call);

/*
 * A second descriptor for the same open socket or file, never one of the three standard ones. It shares
 * position and flags with the first, and while it is open the peer sees no hang-up.
 */
int ringbus_duplicate(int fd, int *duplicate, const char **failed_call);

/*
 * Hands up to `length` bytes to a stream socket without waiting, whatever the mode of the descriptor, and
 * without a signal. `*sent` is what the socket took: less than `length`, or 0, when it is full. With
 * RINGBUS_PEER_GONE nothing was taken; what the peer had sent before it went can still be read.
 */
int ringbus_send(int fd, const void *bytes, size_t length, size_t *sent, const char **failed_call);

/*
 * Asks for room for `bytes` on their way to the peer of a socket. The kernel gives as much of it as an
 * unprivileged process may have (net.core.wmem_max), without a word about the rest.
 */
int ringbus_set_send_buffer(int fd, int bytes, const char **failed_call);

/*
 * Whether other processes of this user may attach a debugger to this one, read its memory through /proc and
 * find a core dump of it. Holds until it is set again; executing another program resets it, and so does a
 * change of user or group. RINGBUS_UNSUPPORTED outside Linux.
 */
int ringbus_set_dumpable(bool dumpable, const char **failed_call);

#ifdef __cplusplus
}
#endif

#endif
