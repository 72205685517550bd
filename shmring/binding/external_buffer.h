/* ArrayBuffers over memory that is not JavaScript's own. */
#ifndef RINGBUS_EXTERNAL_BUFFER_H
#define RINGBUS_EXTERNAL_BUFFER_H

#include <napi.h>

namespace ringbus {

/*
 * An ArrayBuffer over `data`. `hint` goes to `finalise` exactly once: when nothing in JavaScript refers to the
 * memory any more, whoever the buffer was transferred to, or at once if there is no buffer to be had. Undefined
 * where the runtime forbids such buffers (Electron, builds with pointer cages).
 */
Napi::Value NewExternalBuffer(Napi::Env env, void *data, size_t length, napi_finalize finalise, void *hint);

/* An ArrayBuffer that was given as an argument; a detached one has no data. */
struct BufferInfo {
  void *data;
  size_t length;
  bool is_detached;
};

/* Throws, and returns false, for what is no ArrayBuffer. */
bool ReadBuffer(const Napi::CallbackInfo &info, size_t index, BufferInfo *buffer);

/* False when the runtime refuses. Afterwards nothing in JavaScript can reach the memory by this buffer. */
bool DetachBuffer(Napi::Env env, napi_value buffer);

}  // namespace ringbus

#endif
