/*
 * Handles: JavaScript objects without properties that hold something of C++. Their tags tell them from one
 * another and from anybody else's objects, so a wrong argument is an error and never a wrong pointer. What a
 * handle holds goes when the object is collected, or with its environment.
 *
 * A held type has `static constexpr napi_type_tag kTag`, `static constexpr const char *kName`, and IsOpen().
 */
#ifndef RINGBUS_HANDLE_H
#define RINGBUS_HANDLE_H

#include <napi.h>

#include <memory>

#include "binding.h"

namespace ringbus {

template <typename Held>
Napi::Value NewHandle(Napi::Env env, std::unique_ptr<Held> held) {
  Napi::Object object = Napi::Object::New(env);
  auto finalise = [](napi_env, void *data, void *) { delete static_cast<Held *>(data); };
  napi_status status = napi_wrap(env, object, held.get(), finalise, nullptr, nullptr);
  if (status == napi_ok) {
    held.release();
    status = napi_type_tag_object(env, object, &Held::kTag);
  }
  if (status == napi_ok) return object;
  Napi::Error::New(env).ThrowAsJavaScriptException();
  return env.Undefined();
}

/* What the argument holds, open or closed; nullptr after throwing. */
template <typename Held>
Held *ReadHandle(const Napi::CallbackInfo &info, size_t index = 0) {
  void *held = nullptr;
  bool is_tagged = false;
  napi_value object = info[index];
  if (info[index].IsObject() &&
      napi_check_object_type_tag(info.Env(), object, &Held::kTag, &is_tagged) == napi_ok && is_tagged &&
      napi_unwrap(info.Env(), object, &held) == napi_ok) {
    return static_cast<Held *>(held);
  }
  ThrowArgumentError(info.Env(), std::string("Expected a handle of a ") + Held::kName);
  return nullptr;
}

/* As ReadHandle, and throws for a closed one as well. */
template <typename Held>
Held *ReadOpenHandle(const Napi::CallbackInfo &info, size_t index = 0) {
  Held *held = ReadHandle<Held>(info, index);
  if (held == nullptr || held->IsOpen()) return held;
  ThrowArgumentError(info.Env(), std::string("The handle of the ") + Held::kName + " is closed");
  return nullptr;
}

}  // namespace ringbus

#endif
