/*
 * The binding translates between JavaScript values and the headers in include/, and decides nothing. C++ exceptions
 * are off, so a function that has thrown returns at once, and its return value is not looked at.
 */
#ifndef RINGBUS_BINDING_H
#define RINGBUS_BINDING_H

#include <napi.h>

#include <string>

namespace ringbus {

/* The error of a negative result as a JavaScript value, to reject a promise with. */
Napi::Error HostError(Napi::Env env, int result, const char *failed_call, const char *path = nullptr);

/* Throws the error of a negative result, with `code`, `errno`, `syscall` and, where there is one, `path`. */
void ThrowHostError(Napi::Env env, int result, const char *failed_call, const char *path = nullptr);

/* Throws a TypeError with Node's code for an argument that is not what native.ts declares. */
void ThrowArgumentError(Napi::Env env, const std::string &message);

/* Throws a RangeError with Node's code for a number that does not fit what it is about. */
void ThrowRangeError(Napi::Env env, const std::string &message);

/* Each adds the functions of one file to the addon's exports. */
void ExportHost(Napi::Env env, Napi::Object exports);
void ExportSegment(Napi::Env env, Napi::Object exports);
void ExportRing(Napi::Env env, Napi::Object exports);
void ExportPair(Napi::Env env, Napi::Object exports);
void ExportReader(Napi::Env env, Napi::Object exports);
void ExportAttach(Napi::Env env, Napi::Object exports);

}  // namespace ringbus

#endif
