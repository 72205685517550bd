#include "ringbus_host.h"

#include <limits>

#include "arguments.h"
#include "binding.h"

namespace ringbus {
namespace {

Napi::Value LockAcquire(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<std::string> path = ReadPath(info);
  if (!path) return env.Undefined();
  ringbus_lock lock;
  const char *failed_call = "";
  int result = ringbus_lock_acquire(path->c_str(), &lock, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call, path->c_str());
    return env.Undefined();
  }
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("fd", Napi::Number::New(env, lock.fd));
  answer.Set("holderPid", Napi::Number::New(env, lock.holder_pid));
  return answer;
}

void LockRelease(const Napi::CallbackInfo &info) {
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd) return;
  const char *failed_call = "";
  int result = ringbus_lock_release(*fd, &failed_call);
  if (result < 0) ThrowHostError(info.Env(), result, failed_call);
}

Napi::Value PeerCredentials(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd) return env.Undefined();
  ringbus_peer peer;
  const char *failed_call = "";
  int result = ringbus_peer_credentials(*fd, &peer, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("pid", Napi::Number::New(env, peer.pid));
  answer.Set("uid", Napi::Number::New(env, peer.uid));
  answer.Set("gid", Napi::Number::New(env, peer.gid));
  return answer;
}

Napi::Value Duplicate(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd) return env.Undefined();
  int duplicate = -1;
  const char *failed_call = "";
  int result = ringbus_duplicate(*fd, &duplicate, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Number::New(env, duplicate);
}

/* Per write, so the answer is a plain number: -1 is RINGBUS_PEER_GONE. */
Napi::Value Send(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd) return env.Undefined();
  std::optional<Bytes> bytes = ReadBytes(info, 1, "bytes");
  if (!bytes) return env.Undefined();
  size_t sent = 0;
  const char *failed_call = "";
  int result = ringbus_send(*fd, bytes->data, bytes->length, &sent, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Number::New(env, result == RINGBUS_PEER_GONE ? -1 : static_cast<double>(sent));
}

void SetSendBuffer(const Napi::CallbackInfo &info) {
  std::optional<int> fd = ReadDescriptor(info);
  if (!fd) return;
  double bytes = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(bytes >= 1 && bytes <= std::numeric_limits<int>::max())) {
    ThrowArgumentError(info.Env(), "Expected `bytes` to be a positive integer");
    return;
  }
  const char *failed_call = "";
  int result = ringbus_set_send_buffer(*fd, static_cast<int>(bytes), &failed_call);
  if (result < 0) ThrowHostError(info.Env(), result, failed_call);
}

Napi::Value SetDumpable(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (!info[0].IsBoolean()) {
    ThrowArgumentError(env, "Expected `dumpable` to be a boolean");
    return env.Undefined();
  }
  const char *failed_call = "";
  int result = ringbus_set_dumpable(info[0].As<Napi::Boolean>().Value(), &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Boolean::New(env, result != RINGBUS_UNSUPPORTED);
}

}  // namespace

void ExportHost(Napi::Env env, Napi::Object exports) {
  exports.Set("lockAcquire", Napi::Function::New(env, LockAcquire, "lockAcquire"));
  exports.Set("lockRelease", Napi::Function::New(env, LockRelease, "lockRelease"));
  exports.Set("peerCredentials", Napi::Function::New(env, PeerCredentials, "peerCredentials"));
  exports.Set("duplicate", Napi::Function::New(env, Duplicate, "duplicate"));
  exports.Set("send", Napi::Function::New(env, Send, "send"));
  exports.Set("setSendBuffer", Napi::Function::New(env, SetSendBuffer, "setSendBuffer"));
  exports.Set("setDumpable", Napi::Function::New(env, SetDumpable, "setDumpable"));
}

}  // namespace ringbus
