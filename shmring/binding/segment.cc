#include <memory>

#include "arguments.h"
#include "binding.h"
#include "handle.h"
#include "ringbus_host.h"
#include "ringbus_kill_point.h"
#include "ringbus_segment.h"

namespace ringbus {
namespace {

struct Segment {
  static constexpr napi_type_tag kTag = {0x72696e676275731aULL, 0x7365676d656e7401ULL};
  static constexpr const char *kName = "segment";

  ringbus_segment segment{};
  bool is_open = true;

  bool IsOpen() const { return is_open; }
  void Close() {
    if (is_open) ringbus_segment_close(&segment);
    is_open = false;
  }
  uint64_t Capacity() const { return ringbus_granules(segment.data_bytes); }
  ~Segment() { Close(); }
};

Napi::Value SegmentCreate(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<uint64_t> bytes = ReadDataSize(info, 0);
  if (!bytes) return env.Undefined();
  auto held = std::make_unique<Segment>();
  const char *failed_call = "";
  int result = ringbus_segment_create(&held->segment, *bytes, &failed_call);
  if (result < 0) {
    held->is_open = false;
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return NewHandle(env, std::move(held));
}

void SegmentSeal(const Napi::CallbackInfo &info) {
  Segment *held = ReadOpenHandle<Segment>(info);
  if (held == nullptr) return;
  const char *failed_call = "";
  int result = ringbus_segment_seal(&held->segment, &failed_call);
  if (result < 0) ThrowHostError(info.Env(), result, failed_call);
}

/* -1 is RINGBUS_PEER_GONE. */
Napi::Value SegmentSend(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info, 0);
  if (!fd) return env.Undefined();
  std::optional<Bytes> bytes = ReadBytes(info, 1, "bytes");
  if (!bytes) return env.Undefined();
  if (bytes->length == 0) {
    ThrowArgumentError(env, "Expected `bytes` to have at least one, which the descriptor can travel with");
    return env.Undefined();
  }
  Segment *held = ReadOpenHandle<Segment>(info, 2);
  if (held == nullptr) return env.Undefined();
  std::optional<bool> writable = ReadBoolean(info, 3, "writable");
  if (!writable) return env.Undefined();
  size_t sent = 0;
  const char *failed_call = "";
  int result = ringbus_segment_send(&held->segment, *fd, bytes->data, bytes->length, *writable, &sent, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Number::New(env, result == RINGBUS_PEER_GONE ? -1 : static_cast<double>(sent));
}

Napi::Value SegmentPost(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Segment *held = ReadOpenHandle<Segment>(info);
  if (held == nullptr) return env.Undefined();
  std::optional<uint64_t> granules = ReadInteger(info, 1, "granules", 0, held->Capacity());
  if (!granules) return env.Undefined();
  ringbus_kill_point("broker:before-post");
  bool is_awaited = ringbus_ring_post(held->segment.control, static_cast<uint32_t>(*granules));
  ringbus_kill_point("broker:after-post");
  return Napi::Boolean::New(env, is_awaited);
}

Napi::Value SegmentWanted(const Napi::CallbackInfo &info) {
  Segment *held = ReadOpenHandle<Segment>(info);
  if (held == nullptr) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), ringbus_ring_wanted(held->segment.control));
}

void SegmentRead(const Napi::CallbackInfo &info) {
  Segment *held = ReadOpenHandle<Segment>(info);
  if (held == nullptr) return;
  std::optional<Bytes> target = ReadBytes(info, 2, "target");
  if (!target) return;
  std::optional<uint64_t> offset = ReadOffset(info, 1, target->length, held->segment.data_bytes);
  if (!offset) return;
  const char *failed_call = "";
  int result = ringbus_segment_read(&held->segment, *offset, target->data, target->length, &failed_call);
  if (result < 0) ThrowHostError(info.Env(), result, failed_call);
}

Napi::Value SegmentReservedBytes(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Segment *held = ReadOpenHandle<Segment>(info);
  if (held == nullptr) return env.Undefined();
  uint64_t bytes = 0;
  const char *failed_call = "";
  int result = ringbus_segment_reserved(&held->segment, &bytes, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return Napi::Number::New(env, static_cast<double>(bytes));
}

void SegmentClose(const Napi::CallbackInfo &info) {
  Segment *held = ReadHandle<Segment>(info);
  if (held != nullptr) held->Close();
}

}  // namespace

void ExportSegment(Napi::Env env, Napi::Object exports) {
  exports.Set("segmentCreate", Napi::Function::New(env, SegmentCreate, "segmentCreate"));
  exports.Set("segmentSeal", Napi::Function::New(env, SegmentSeal, "segmentSeal"));
  exports.Set("segmentSend", Napi::Function::New(env, SegmentSend, "segmentSend"));
  exports.Set("segmentPost", Napi::Function::New(env, SegmentPost, "segmentPost"));
  exports.Set("segmentWanted", Napi::Function::New(env, SegmentWanted, "segmentWanted"));
  exports.Set("segmentRead", Napi::Function::New(env, SegmentRead, "segmentRead"));
  exports.Set("segmentReservedBytes", Napi::Function::New(env, SegmentReservedBytes, "segmentReservedBytes"));
  exports.Set("segmentClose", Napi::Function::New(env, SegmentClose, "segmentClose"));
}

}  // namespace ringbus
