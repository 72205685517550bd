#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "ringbus_host.h"

#ifdef __linux__

int ringbus_peer_credentials(int fd, struct ringbus_peer *peer, const char **failed_call) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  *failed_call = "getsockopt";
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -errno;
  /* Linux succeeds for any socket and says "nobody" where there is no peer: TCP, or not yet connected. */
  if (credentials.uid == (uid_t)-1) return RINGBUS_ENOTCONN;
  peer->pid = credentials.pid;
  peer->uid = credentials.uid;
  peer->gid = credentials.gid;
  return 0;
}

#else

int ringbus_peer_credentials(int fd, struct ringbus_peer *peer, const char **failed_call) {
  *failed_call = "getpeereid";
  peer->pid = 0;
  if (getpeereid(fd, &peer->uid, &peer->gid) == 0) return 0;
  /* macOS says EINVAL where there is no peer. */
  return errno == EINVAL ? RINGBUS_ENOTCONN : -errno;
}

#endif
