/*
 * The binding translates between JavaScript values and ringbus_host.h, and decides nothing. C++ exceptions
 * are off, so a function that has thrown returns at once, and its return value is not looked at.
 */
#ifndef RINGBUS_BINDING_H
#define RINGBUS_BINDING_H

#include <napi.h>

namespace ringbus {

/* Throws the error of a negative result, with `code`, `errno`, `syscall` and, where there is one, `path`. */
void ThrowHostError(Napi::Env env, int result, const char *failed_call, const char *path = nullptr);

/* Throws a TypeError with Node's code for an argument that is not what native.ts declares. */
void ThrowArgumentError(Napi::Env env, const char *message);

/* Adds the functions of ringbus_host.h to the addon's exports. */
void ExportHost(Napi::Env env, Napi::Object exports);

}  // namespace ringbus

#endif
