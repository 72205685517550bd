#include "external_buffer.h"

#include "binding.h"

namespace ringbus {

Napi::Value NewExternalBuffer(Napi::Env env, void *data, size_t length, napi_finalize finalise, void *hint) {
  napi_value buffer = nullptr;
  napi_status status = napi_create_external_arraybuffer(env, data, length, finalise, hint, &buffer);
  if (status == napi_ok) return Napi::Value(env, buffer);
  if (status == napi_no_external_buffers_allowed) {
    finalise(env, data, hint);
    return env.Undefined();
  }
  /* Anything else happens only while the environment ends, and then the runtime may have finalised already or
   * not: to lose a map there is better than to free it twice. */
  Napi::Error::New(env).ThrowAsJavaScriptException();
  return env.Undefined();
}

bool ReadBuffer(const Napi::CallbackInfo &info, size_t index, BufferInfo *buffer) {
  Napi::Env env = info.Env();
  if (info[index].IsArrayBuffer() &&
      napi_get_arraybuffer_info(env, info[index], &buffer->data, &buffer->length) == napi_ok &&
      napi_is_detached_arraybuffer(env, info[index], &buffer->is_detached) == napi_ok) {
    return true;
  }
  ThrowArgumentError(env, "Expected `buffer` to be an ArrayBuffer");
  return false;
}

bool DetachBuffer(Napi::Env env, napi_value buffer) {
  return napi_detach_arraybuffer(env, buffer) == napi_ok;
}

}  // namespace ringbus
