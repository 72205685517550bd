#include "arguments.h"
#include "binding.h"
#include "ringbus_kill_point.h"

namespace {

#ifdef RINGBUS_KILL_POINTS
void KillPoint(const Napi::CallbackInfo &info) {
  if (!info[0].IsString()) {
    ringbus::ThrowArgumentError(info.Env(), "Expected `name` to be a string");
    return;
  }
  ringbus_kill_point(info[0].As<Napi::String>().Utf8Value().c_str());
}
#endif

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  ringbus::ExportHost(env, exports);
  ringbus::ExportSegment(env, exports);
  ringbus::ExportRing(env, exports);
  ringbus::ExportPair(env, exports);
  ringbus::ExportReader(env, exports);
  ringbus::ExportAttach(env, exports);
#ifdef RINGBUS_KILL_POINTS
  exports.Set("killPoint", Napi::Function::New(env, KillPoint, "killPoint"));
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(ringbus, Initialise)
