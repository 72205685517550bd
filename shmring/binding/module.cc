#include "binding.h"

static Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  ringbus::ExportHost(env, exports);
  return exports;
}

NODE_API_MODULE(ringbus, Initialise)
