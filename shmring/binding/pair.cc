#include "ringbus_pair.h"

#include <memory>

#include "arguments.h"
#include "binding.h"
#include "handle.h"
#include "ringbus_host.h"
#include "ringbus_kill_point.h"

namespace ringbus {
namespace {

struct Pair {
  static constexpr napi_type_tag kTag = {0x72696e676275731aULL, 0x7061697200000004ULL};
  static constexpr const char *kName = "pair";

  ringbus_pair pair{};
  bool is_open = true;

  bool IsOpen() const { return is_open; }
  void Close() {
    if (is_open) ringbus_pair_close(&pair);
    is_open = false;
  }
  ~Pair() { Close(); }
};

std::optional<uint32_t> ReadCapacity(const Napi::CallbackInfo &info, size_t index) {
  std::optional<uint64_t> bytes = ReadInteger(info, index, "ringBytes", RINGBUS_PAIR_BYTES_MIN, RINGBUS_PAIR_BYTES_MAX);
  if (!bytes) return std::nullopt;
  return static_cast<uint32_t>(*bytes);
}

Napi::Value PairCreate(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<uint32_t> bytes = ReadCapacity(info, 0);
  if (!bytes) return env.Undefined();
  auto held = std::make_unique<Pair>();
  const char *failed_call = "";
  int result = ringbus_pair_create(&held->pair, *bytes, &failed_call);
  if (result < 0) {
    held->is_open = false;
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  ringbus_kill_point("broker:pair-created");
  return NewHandle(env, std::move(held));
}

/* -1 is RINGBUS_PEER_GONE. */
Napi::Value PairSend(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info, 0);
  if (!fd) return env.Undefined();
  std::optional<Bytes> bytes = ReadBytes(info, 1, "bytes");
  if (!bytes) return env.Undefined();
  if (bytes->length == 0) {
    ThrowArgumentError(env, "Expected `bytes` to have at least one, which the descriptor can travel with");
    return env.Undefined();
  }
  Pair *held = ReadOpenHandle<Pair>(info, 2);
  if (held == nullptr) return env.Undefined();
  size_t sent = 0;
  const char *failed_call = "";
  int result = ringbus_pair_send(&held->pair, *fd, bytes->data, bytes->length, &sent, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Number::New(env, result == RINGBUS_PEER_GONE ? -1 : static_cast<double>(sent));
}

Napi::Value PairMap(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info, 0);
  if (!fd) return env.Undefined();
  OwnedDescriptor guard(*fd);
  std::optional<uint32_t> bytes = ReadCapacity(info, 1);
  if (!bytes) return env.Undefined();
  auto held = std::make_unique<Pair>();
  const char *failed_call = "";
  int result = ringbus_pair_map(&held->pair, guard.Release(), *bytes, &failed_call);
  if (result < 0) {
    held->is_open = false;
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  ringbus_kill_point("client:pair-mapped");
  return NewHandle(env, std::move(held));
}

using Transfer = int (*)(ringbus_pair *pair, const Bytes &bytes, size_t *taken);

/* Per chunk, so the answer is a plain number: the complement of what was taken when the other end must be rung. */
Napi::Value Move(const Napi::CallbackInfo &info, const char *name, Transfer transfer) {
  Napi::Env env = info.Env();
  Pair *held = ReadOpenHandle<Pair>(info);
  if (held == nullptr) return env.Undefined();
  std::optional<Bytes> bytes = ReadBytes(info, 1, name);
  if (!bytes) return env.Undefined();
  size_t taken = 0;
  int result = transfer(&held->pair, *bytes, &taken);
  if (result < 0) {
    ThrowHostError(env, result, "mmap");
    return env.Undefined();
  }
  double count = static_cast<double>(taken);
  return Napi::Number::New(env, result == RINGBUS_BELL ? -count - 1 : count);
}

Napi::Value PairWrite(const Napi::CallbackInfo &info) {
  return Move(info, "bytes", [](ringbus_pair *pair, const Bytes &bytes, size_t *taken) {
    return ringbus_pair_write(pair, bytes.data, bytes.length, taken);
  });
}

Napi::Value PairRead(const Napi::CallbackInfo &info) {
  return Move(info, "target", [](ringbus_pair *pair, const Bytes &bytes, size_t *taken) {
    return ringbus_pair_read(pair, bytes.data, bytes.length, taken);
  });
}

Napi::Value PairRest(const Napi::CallbackInfo &info) {
  Pair *held = ReadOpenHandle<Pair>(info);
  if (held == nullptr) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), ringbus_pair_rest(&held->pair) == 0);
}

void PairClose(const Napi::CallbackInfo &info) {
  Pair *held = ReadHandle<Pair>(info);
  if (held != nullptr) held->Close();
}

}  // namespace

void ExportPair(Napi::Env env, Napi::Object exports) {
  exports.Set("pairCreate", Napi::Function::New(env, PairCreate, "pairCreate"));
  exports.Set("pairSend", Napi::Function::New(env, PairSend, "pairSend"));
  exports.Set("pairMap", Napi::Function::New(env, PairMap, "pairMap"));
  exports.Set("pairWrite", Napi::Function::New(env, PairWrite, "pairWrite"));
  exports.Set("pairRead", Napi::Function::New(env, PairRead, "pairRead"));
  exports.Set("pairRest", Napi::Function::New(env, PairRest, "pairRest"));
  exports.Set("pairClose", Napi::Function::New(env, PairClose, "pairClose"));
}

}  // namespace ringbus
