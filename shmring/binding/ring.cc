#include <memory>

#include "arguments.h"
#include "binding.h"
#include "counted.h"
#include "external_buffer.h"
#include "handle.h"
#include "ringbus_layout.h"
#include "ringbus_segment.h"

namespace ringbus {
namespace {

/* The map, which loans keep after the handle is closed. */
struct OwnerMap {
  ringbus_owner owner{};
  ~OwnerMap() { ringbus_owner_close(&owner); }
};

struct Ring {
  static constexpr napi_type_tag kTag = {0x72696e676275731aULL, 0x6f776e6572000002ULL};
  static constexpr const char *kName = "ring";

  Counted<OwnerMap> map;

  bool IsOpen() const { return !map.IsEmpty(); }
};

Napi::Value RingMap(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info, 0);
  if (!fd) return env.Undefined();
  OwnedDescriptor guard(*fd);
  std::optional<uint64_t> bytes = ReadDataSize(info, 1);
  if (!bytes) return env.Undefined();
  auto held = std::make_unique<Ring>();
  held->map = Counted<OwnerMap>::New();
  const char *failed_call = "";
  int result = ringbus_owner_map(&held->map->owner, guard.Release(), *bytes, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return NewHandle(env, std::move(held));
}

/* What ringClaim writes: position, padding, restarted, need. */
constexpr size_t kClaimNumbers = 4;

double *ReadClaim(const Napi::CallbackInfo &info) {
  if (info[2].IsTypedArray()) {
    void *data = nullptr;
    size_t length = 0;
    napi_typedarray_type type;
    napi_status status = napi_get_typedarray_info(info.Env(), info[2], &type, &length, &data, nullptr, nullptr);
    if (status == napi_ok && type == napi_float64_array && length >= kClaimNumbers)
      return static_cast<double *>(data);
  }
  ThrowArgumentError(info.Env(), "Expected `claim` to be a Float64Array of at least 4");
  return nullptr;
}

Napi::Value RingClaim(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Ring *held = ReadOpenHandle<Ring>(info);
  if (held == nullptr) return env.Undefined();
  std::optional<uint64_t> length = ReadInteger(info, 1, "byteLength", 1, kIntegerMax);
  if (!length) return env.Undefined();
  double *numbers = ReadClaim(info);
  if (numbers == nullptr) return env.Undefined();
  ringbus_claim claim{};
  uint32_t need = 0;
  const char *failed_call = "";
  int result = ringbus_owner_claim(&held->map->owner, *length, &claim, &need, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  numbers[0] = static_cast<double>(claim.position);
  numbers[1] = claim.padding;
  numbers[2] = claim.restarted ? 1 : 0;
  numbers[3] = need;
  return Napi::Number::New(env, result);
}

Napi::Value RingWait(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Ring *held = ReadOpenHandle<Ring>(info);
  if (held == nullptr) return env.Undefined();
  ringbus_ring *ring = &held->map->owner.ring;
  std::optional<uint64_t> need = ReadInteger(info, 1, "need", 1, ring->capacity);
  if (!need) return env.Undefined();
  return Napi::Boolean::New(env, ringbus_ring_wait(ring, static_cast<uint32_t>(*need)));
}

unsigned char *FindSpan(const Napi::CallbackInfo &info, const OwnerMap &map, uint64_t length) {
  std::optional<uint64_t> position = ReadInteger(info, 1, "position", 0, kIntegerMax);
  if (!position) return nullptr;
  unsigned char *span = ringbus_owner_span(&map.owner, *position, length);
  if (span == nullptr) ThrowRangeError(info.Env(), "The bytes are not one piece of what was claimed");
  return span;
}

void RingWrite(const Napi::CallbackInfo &info) {
  Ring *held = ReadOpenHandle<Ring>(info);
  if (held == nullptr) return;
  std::optional<Bytes> bytes = ReadBytes(info, 2, "bytes");
  if (!bytes) return;
  unsigned char *span = FindSpan(info, *held->map, bytes->length);
  if (span != nullptr) ringbus_owner_write(span, bytes->data, bytes->length);
}

void FinaliseLoan(napi_env, void *, void *hint) { delete static_cast<Counted<OwnerMap> *>(hint); }

Napi::Value RingLoan(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Ring *held = ReadOpenHandle<Ring>(info);
  if (held == nullptr) return env.Undefined();
  std::optional<uint64_t> length = ReadInteger(info, 2, "byteLength", 1, held->map->owner.data_bytes);
  if (!length) return env.Undefined();
  unsigned char *span = FindSpan(info, *held->map, *length);
  if (span == nullptr) return env.Undefined();
  return NewExternalBuffer(env, span, static_cast<size_t>(*length), FinaliseLoan,
                           new Counted<OwnerMap>(held->map));
}

bool IsWithin(const OwnerMap &map, const void *data) {
  auto start = reinterpret_cast<uintptr_t>(map.owner.map), place = reinterpret_cast<uintptr_t>(data);
  return place >= start && place - start < map.owner.data_bytes + RINGBUS_CONTROL_BYTES;
}

Napi::Value RingEndLoan(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Ring *held = ReadOpenHandle<Ring>(info);
  BufferInfo buffer{};
  if (held == nullptr || !ReadBuffer(info, 1, &buffer)) return env.Undefined();
  if (buffer.is_detached) return Napi::Boolean::New(env, false);
  if (!IsWithin(*held->map, buffer.data)) {
    ThrowArgumentError(env, "Expected `buffer` to be a loan of this ring");
    return env.Undefined();
  }
  return Napi::Boolean::New(env, DetachBuffer(env, info[1]));
}

void RingClose(const Napi::CallbackInfo &info) {
  Ring *held = ReadHandle<Ring>(info);
  if (held != nullptr) held->map.Reset();
}

}  // namespace

void ExportRing(Napi::Env env, Napi::Object exports) {
  exports.Set("ringMap", Napi::Function::New(env, RingMap, "ringMap"));
  exports.Set("ringClaim", Napi::Function::New(env, RingClaim, "ringClaim"));
  exports.Set("ringWait", Napi::Function::New(env, RingWait, "ringWait"));
  exports.Set("ringWrite", Napi::Function::New(env, RingWrite, "ringWrite"));
  exports.Set("ringLoan", Napi::Function::New(env, RingLoan, "ringLoan"));
  exports.Set("ringEndLoan", Napi::Function::New(env, RingEndLoan, "ringEndLoan"));
  exports.Set("ringClose", Napi::Function::New(env, RingClose, "ringClose"));
}

}  // namespace ringbus
