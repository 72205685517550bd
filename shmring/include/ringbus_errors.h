/*
 * Results, for every function of the core. 0 is success. A negative result is -errno: the caller forwards it,
 * and *failed_call names the system call that failed, or whose answer was refused, by a string literal. A
 * positive result is a condition that the caller must handle; the headers list theirs.
 */
#ifndef RINGBUS_ERRORS_H
#define RINGBUS_ERRORS_H

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The errors that these functions meet. Others are forwarded just the same, without a name. */
#define RINGBUS_HOST_ERRORS(X)                                                        \
  X(EACCES, "permission denied")                                                      \
  X(EAGAIN, "the resource is busy, or used up for now")                               \
  X(EBADF, "the descriptor is not open")                                              \
  X(EBADMSG, "the segment is not laid out as its size and version say")               \
  X(ECONNREFUSED, "nobody listens at the path")                                       \
  X(ECONNRESET, "the peer has gone, and dropped what it had not read")                \
  X(EDQUOT, "the disk quota is used up")                                              \
  X(EFBIG, "the file would be larger than this process may make it")                  \
  X(EINVAL, "not what the call is for; a lock is a regular file with a single name")  \
  X(EIO, "input or output error")                                                     \
  X(EISDIR, "the path is a directory")                                                \
  X(ELOOP, "the path is a symbolic link, which a lock never follows, or has a loop")  \
  X(EMFILE, "this process has no descriptor left")                                    \
  X(EMSGSIZE, "the answer is longer than any that the protocol knows")                \
  X(ENAMETOOLONG, "the path is too long")                                             \
  X(ENFILE, "the host has no descriptor left")                                        \
  X(ENOENT, "the path or its directory does not exist")                               \
  X(ENOLCK, "the file system offers no locks")                                        \
  X(ENOMEM, "there is not enough memory, or not within this process's limit")         \
  X(ENOSPC, "the disk is full")                                                       \
  X(ENOSYS, "the kernel has no such call")                                            \
  X(ENOTCONN, "the socket has no peer whose identity the kernel knows")               \
  X(ENOTDIR, "a part of the path is not a directory")                                 \
  X(ENOTSOCK, "the descriptor is not a socket")                                       \
  X(ENOTSUP, "this platform does not offer it")                                       \
  X(ENXIO, "the path is a socket or a device without a driver")                       \
  X(EOVERFLOW, "the positions of the ring are used up")                               \
  X(EPERM, "operation not permitted")                                                 \
  X(EPIPE, "nobody reads the socket any longer")                                      \
  X(EPROTO, "the answer carries more than one descriptor")                            \
  X(EROFS, "the file system is read-only")                                            \
  X(ESTALE, "the file at the path is replaced faster than it can be locked")          \
  X(ETIMEDOUT, "the answer did not come in time")                                     \
  X(ETOOMANYREFS, "too many descriptors of this user are on their way")

enum ringbus_host_error {
#define RINGBUS_HOST_ERROR(name, message) RINGBUS_##name = -name,
  RINGBUS_HOST_ERRORS(RINGBUS_HOST_ERROR)
#undef RINGBUS_HOST_ERROR
};

/* The name ("EACCES") and the sentence of a negative result; "UNKNOWN" and a general sentence outside the
 * list. Both are static. */
const char *ringbus_host_error_name(int result);
const char *ringbus_host_error_message(int result);

#ifdef __cplusplus
}
#endif

#endif
