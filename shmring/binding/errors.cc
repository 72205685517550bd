#include <string>

#include "binding.h"
#include "ringbus_errors.h"

namespace ringbus {

Napi::Error HostError(Napi::Env env, int result, const char *failed_call, const char *path) {
  const char *name = ringbus_host_error_name(result);
  std::string message = std::string(name) + ": " + ringbus_host_error_message(result) + ", " + failed_call;
  if (path != nullptr) message += std::string(" '") + path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, name));
  error.Set("errno", Napi::Number::New(env, result));
  error.Set("syscall", Napi::String::New(env, failed_call));
  if (path != nullptr) error.Set("path", Napi::String::New(env, path));
  return error;
}

void ThrowHostError(Napi::Env env, int result, const char *failed_call, const char *path) {
  HostError(env, result, failed_call, path).ThrowAsJavaScriptException();
}

void ThrowArgumentError(Napi::Env env, const std::string &message) {
  Napi::TypeError error = Napi::TypeError::New(env, message);
  error.Set("code", Napi::String::New(env, "ERR_INVALID_ARG_VALUE"));
  error.ThrowAsJavaScriptException();
}

void ThrowRangeError(Napi::Env env, const std::string &message) {
  Napi::RangeError error = Napi::RangeError::New(env, message);
  error.Set("code", Napi::String::New(env, "ERR_OUT_OF_RANGE"));
  error.ThrowAsJavaScriptException();
}

}  // namespace ringbus
