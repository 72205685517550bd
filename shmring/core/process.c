#include "ringbus_host.h"

#ifdef __linux__

#include <sys/prctl.h>

int ringbus_set_dumpable(bool dumpable, const char **failed_call) {
  if (prctl(PR_SET_DUMPABLE, dumpable ? 1UL : 0UL, 0UL, 0UL, 0UL) == 0) return 0;
  *failed_call = "prctl";
  return -errno;
}

#else

int ringbus_set_dumpable(bool dumpable, const char **failed_call) {
  (void)dumpable;
  (void)failed_call;
  return RINGBUS_UNSUPPORTED;
}

#endif
