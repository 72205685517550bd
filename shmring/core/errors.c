#include "ringbus_errors.h"

const char *ringbus_host_error_name(int result) {
  switch (result) {
#define RINGBUS_HOST_ERROR(name, message) \
  case RINGBUS_##name:                    \
    return #name;
    RINGBUS_HOST_ERRORS(RINGBUS_HOST_ERROR)
#undef RINGBUS_HOST_ERROR
    default:
      return "UNKNOWN";
  }
}

const char *ringbus_host_error_message(int result) {
  switch (result) {
#define RINGBUS_HOST_ERROR(name, message) \
  case RINGBUS_##name:                    \
    return message;
    RINGBUS_HOST_ERRORS(RINGBUS_HOST_ERROR)
#undef RINGBUS_HOST_ERROR
    default:
      return "an error that ringbus does not know";
  }
}
