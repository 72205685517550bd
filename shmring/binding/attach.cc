#include "ringbus_attach.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "binding.h"

namespace ringbus {
namespace {

/*
 * One attach on a thread of the pool. Node waits for that thread before an environment ends, and completes the
 * work when JavaScript may not run any more: so Complete looks at each status, throws nothing, and a descriptor
 * that cannot be handed over is closed.
 */
struct AttachWork {
  std::string path;
  std::vector<uint8_t> request;
  int timeout_ms = 0;
  int result = 0;
  const char *failed_call = "";
  ringbus_answer answer{};
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;

  AttachWork() { answer.fd = -1; }
  ~AttachWork() {
    if (answer.fd >= 0) close(answer.fd);
  }
};

void Execute(napi_env, void *data) {
  auto *attach = static_cast<AttachWork *>(data);
  attach->result = ringbus_attach(attach->path.c_str(), attach->request.data(), attach->request.size(),
                                  attach->timeout_ms, &attach->answer, &attach->failed_call);
}

/* `{ fd, reply }`, or nullptr. */
napi_value MakeAnswer(napi_env env, const AttachWork &attach) {
  napi_value object = nullptr, fd = nullptr, reply = nullptr;
  if (napi_create_object(env, &object) == napi_ok && napi_create_int32(env, attach.answer.fd, &fd) == napi_ok &&
      napi_create_buffer_copy(env, attach.answer.length, attach.answer.bytes, nullptr, &reply) == napi_ok &&
      napi_set_named_property(env, object, "fd", fd) == napi_ok &&
      napi_set_named_property(env, object, "reply", reply) == napi_ok) {
    return object;
  }
  return nullptr;
}

bool CanRunJavaScript(napi_env env) {
  napi_value probe = nullptr, global = nullptr;
  return napi_get_global(env, &global) == napi_ok &&
         napi_get_named_property(env, global, "Object", &probe) == napi_ok;
}

void Settle(napi_env env, AttachWork &attach) {
  if (attach.result < 0) {
    Napi::Error error = HostError(env, attach.result, attach.failed_call, attach.path.c_str());
    napi_reject_deferred(env, attach.deferred, error.Value());
    return;
  }
  napi_value answer = MakeAnswer(env, attach);
  if (answer != nullptr && napi_resolve_deferred(env, attach.deferred, answer) == napi_ok) attach.answer.fd = -1;
}

void Complete(napi_env env, napi_status status, void *data) {
  std::unique_ptr<AttachWork> attach(static_cast<AttachWork *>(data));
  napi_delete_async_work(env, attach->work);
  if (status != napi_ok) return;
  Napi::HandleScope scope(env);
  if (CanRunJavaScript(env)) Settle(env, *attach);
}

Napi::Value Attach(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<std::string> path = ReadPath(info);
  if (!path) return env.Undefined();
  std::optional<Bytes> request = ReadBytes(info, 1, "request");
  if (!request) return env.Undefined();
  std::optional<uint64_t> timeout_ms = ReadInteger(info, 2, "timeoutMs", 1, INT32_MAX);
  if (!timeout_ms) return env.Undefined();
  auto attach = std::make_unique<AttachWork>();
  attach->path = *path;
  attach->request.assign(request->data, request->data + request->length);
  attach->timeout_ms = static_cast<int>(*timeout_ms);
  napi_value promise = nullptr;
  napi_status status = napi_create_promise(env, &attach->deferred, &promise);
  Napi::String name = Napi::String::New(env, "ringbus.attach");
  if (status == napi_ok)
    status = napi_create_async_work(env, nullptr, name, Execute, Complete, attach.get(), &attach->work);
  if (status == napi_ok) status = napi_queue_async_work(env, attach->work);
  if (status != napi_ok) {
    Napi::Error::New(env).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  attach.release();
  return Napi::Value(env, promise);
}

void CloseDescriptor(const Napi::CallbackInfo &info) {
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd || close(*fd) == 0 || errno == EINTR) return;
  ThrowHostError(info.Env(), -errno, "close");
}

}  // namespace

void ExportAttach(Napi::Env env, Napi::Object exports) {
  exports.Set("attach", Napi::Function::New(env, Attach, "attach"));
  exports.Set("closeDescriptor", Napi::Function::New(env, CloseDescriptor, "closeDescriptor"));
}

}  // namespace ringbus
