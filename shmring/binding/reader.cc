#include <memory>
#include <unordered_map>
#include <vector>

#include "arguments.h"
#include "binding.h"
#include "counted.h"
#include "external_buffer.h"
#include "handle.h"
#include "ringbus_blocks.h"
#include "ringbus_segment.h"

namespace ringbus {
namespace {

struct View;

using Views = std::unordered_map<uint64_t, View *, std::hash<uint64_t>, std::equal_to<uint64_t>,
                                 Allocator<std::pair<const uint64_t, View *>>>;
using Cookies = std::vector<uint64_t, Allocator<uint64_t>>;

/* The map, which views keep after the handle is closed, and what became of them. One environment's thread uses
 * it: Node runs finalisers there, too, wherever a buffer has been transferred to. */
struct ReaderMap {
  ringbus_reader reader{};
  Views views;      /* those that were neither released nor finalised */
  Cookies returned; /* finalised without a release, and not yet told */

  ~ReaderMap() { ringbus_reader_close(&reader); }
};

struct View {
  Counted<ReaderMap> map;
  uint64_t cookie;
  const void *data;
  bool is_released;
};

struct Reader {
  static constexpr napi_type_tag kTag = {0x72696e676275731aULL, 0x7265616465720003ULL};
  static constexpr const char *kName = "reader";

  Counted<ReaderMap> map;

  bool IsOpen() const { return !map.IsEmpty(); }
};

Napi::Value ReaderMapSegment(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::optional<int> fd = ReadDescriptor(info, 0);
  if (!fd) return env.Undefined();
  OwnedDescriptor guard(*fd);
  std::optional<uint64_t> bytes = ReadDataSize(info, 1);
  if (!bytes) return env.Undefined();
  auto held = std::make_unique<Reader>();
  held->map = Counted<ReaderMap>::New();
  const char *failed_call = "";
  int result = ringbus_reader_map(&held->map->reader, guard.Release(), *bytes, &failed_call);
  if (result < 0) {
    ThrowHostError(env, result, failed_call);
    return env.Undefined();
  }
  return NewHandle(env, std::move(held));
}

void ReaderCopy(const Napi::CallbackInfo &info) {
  Reader *held = ReadOpenHandle<Reader>(info);
  if (held == nullptr) return;
  std::optional<Bytes> target = ReadBytes(info, 2, "target");
  if (!target) return;
  ringbus_reader &reader = held->map->reader;
  std::optional<uint64_t> offset = ReadOffset(info, 1, target->length, reader.data_bytes);
  if (offset && target->length > 0) ringbus_reader_copy(&reader, *offset, target->data, target->length);
}

void FinaliseBlock(napi_env, void *, void *hint) {
  std::unique_ptr<ringbus_block> block(static_cast<ringbus_block *>(hint));
  ringbus_block_give(*block);
}

/* A copy in memory that is used again once the buffer is collected. */
Napi::Value ReaderTake(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Reader *held = ReadOpenHandle<Reader>(info);
  if (held == nullptr) return env.Undefined();
  ringbus_reader &reader = held->map->reader;
  std::optional<uint64_t> length = ReadInteger(info, 2, "byteLength", 1, reader.data_bytes);
  if (!length) return env.Undefined();
  std::optional<uint64_t> offset = ReadOffset(info, 1, *length, reader.data_bytes);
  if (!offset) return env.Undefined();
  size_t bytes = static_cast<size_t>(*length);
  std::unique_ptr<ringbus_block> block(new ringbus_block(ringbus_block_take(bytes)));
  if (block->memory == nullptr) return env.Undefined();
  void *memory = block->memory;
  Napi::Value buffer = NewExternalBuffer(env, memory, bytes, FinaliseBlock, block.release());
  if (buffer.IsEmpty() || !buffer.IsArrayBuffer()) return env.Undefined();
  ringbus_reader_copy(&reader, *offset, memory, bytes);
  return buffer;
}

void BlocksTrim(const Napi::CallbackInfo &) { ringbus_blocks_trim(); }

void FinaliseView(napi_env, void *, void *hint) {
  std::unique_ptr<View> view(static_cast<View *>(hint));
  if (view->is_released) return;
  view->map->views.erase(view->cookie);
  view->map->returned.push_back(view->cookie);
}

Napi::Value ReaderView(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Reader *held = ReadOpenHandle<Reader>(info);
  if (held == nullptr) return env.Undefined();
  const ringbus_reader &reader = held->map->reader;
  std::optional<uint64_t> length = ReadInteger(info, 2, "byteLength", 1, reader.data_bytes);
  if (!length) return env.Undefined();
  std::optional<uint64_t> offset = ReadOffset(info, 1, *length, reader.data_bytes);
  if (!offset) return env.Undefined();
  std::optional<uint64_t> cookie = ReadInteger(info, 3, "cookie", 0, kIntegerMax);
  if (!cookie) return env.Undefined();
  if (held->map->views.count(*cookie) != 0) {
    ThrowArgumentError(env, "Expected `cookie` to be another than that of a view in use");
    return env.Undefined();
  }
  void *data = const_cast<unsigned char *>(reader.data + *offset);
  /* As if released already: should there be no buffer, nothing is to come back. */
  View *view = new View{held->map, *cookie, data, true};
  Napi::Value buffer = NewExternalBuffer(env, data, static_cast<size_t>(*length), FinaliseView, view);
  if (buffer.IsEmpty() || !buffer.IsArrayBuffer()) return env.Undefined();
  view->is_released = false;
  held->map->views.emplace(*cookie, view);
  return buffer;
}

/* A view whose buffer is whole is in nobody else's hands: once detached, nothing can read through it. */
Napi::Value ReaderRelease(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Reader *held = ReadOpenHandle<Reader>(info);
  if (held == nullptr) return env.Undefined();
  std::optional<uint64_t> cookie = ReadInteger(info, 1, "cookie", 0, kIntegerMax);
  BufferInfo buffer{};
  if (!cookie || !ReadBuffer(info, 2, &buffer)) return env.Undefined();
  if (buffer.is_detached) return Napi::Boolean::New(env, false);
  auto place = held->map->views.find(*cookie);
  if (place == held->map->views.end() || place->second->data != buffer.data) {
    ThrowArgumentError(env, "Expected `buffer` to be the view with this cookie");
    return env.Undefined();
  }
  View *view = place->second;
  if (!DetachBuffer(env, info[2])) return Napi::Boolean::New(env, false);
  view->is_released = true;
  held->map->views.erase(place);
  return Napi::Boolean::New(env, true);
}

Napi::Value ReaderReturned(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Reader *held = ReadOpenHandle<Reader>(info);
  if (held == nullptr) return env.Undefined();
  Cookies &returned = held->map->returned;
  Napi::Array cookies = Napi::Array::New(env, returned.size());
  for (uint32_t index = 0; index < returned.size(); index++) {
    cookies.Set(index, Napi::Number::New(env, static_cast<double>(returned[index])));
  }
  returned.clear();
  return cookies;
}

void ReaderClose(const Napi::CallbackInfo &info) {
  Reader *held = ReadHandle<Reader>(info);
  if (held != nullptr) held->map.Reset();
}

}  // namespace

void ExportReader(Napi::Env env, Napi::Object exports) {
  exports.Set("readerMap", Napi::Function::New(env, ReaderMapSegment, "readerMap"));
  exports.Set("readerCopy", Napi::Function::New(env, ReaderCopy, "readerCopy"));
  exports.Set("readerTake", Napi::Function::New(env, ReaderTake, "readerTake"));
  exports.Set("blocksTrim", Napi::Function::New(env, BlocksTrim, "blocksTrim"));
  exports.Set("readerView", Napi::Function::New(env, ReaderView, "readerView"));
  exports.Set("readerRelease", Napi::Function::New(env, ReaderRelease, "readerRelease"));
  exports.Set("readerReturned", Napi::Function::New(env, ReaderReturned, "readerReturned"));
  exports.Set("readerClose", Napi::Function::New(env, ReaderClose, "readerClose"));
}

}  // namespace ringbus
