#include "arguments.h"

#include <unistd.h>

#include <cmath>
#include <limits>

#include "binding.h"
#include "ringbus_layout.h"

namespace ringbus {

std::optional<int> ReadDescriptor(const Napi::CallbackInfo &info, size_t index) {
  double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (value >= 0 && value <= std::numeric_limits<int>::max() && value == std::trunc(value)) {
    return static_cast<int>(value);
  }
  ThrowArgumentError(info.Env(), "Expected `fd` to be a descriptor, a non-negative integer");
  return std::nullopt;
}

std::optional<std::string> ReadPath(const Napi::CallbackInfo &info) {
  if (info[0].IsString()) {
    std::string path = info[0].As<Napi::String>().Utf8Value();
    if (!path.empty() && path.find('\0') == std::string::npos) return path;
  }
  ThrowArgumentError(info.Env(), "Expected `path` to be a non-empty string without NUL");
  return std::nullopt;
}

std::optional<uint64_t> ReadInteger(const Napi::CallbackInfo &info, size_t index, const char *name,
                                    uint64_t least, uint64_t most) {
  double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(value == std::trunc(value)) || std::isinf(value)) {
    ThrowArgumentError(info.Env(), std::string("Expected `") + name + "` to be an integer");
    return std::nullopt;
  }
  /* Both bounds are below 2^53, and so exact. */
  if (value >= static_cast<double>(least) && value <= static_cast<double>(most)) {
    return static_cast<uint64_t>(value);
  }
  ThrowRangeError(info.Env(), std::string("Expected `") + name + "` to be from " + std::to_string(least) +
                                  " to " + std::to_string(most));
  return std::nullopt;
}

std::optional<uint64_t> ReadDataSize(const Napi::CallbackInfo &info, size_t index) {
  std::optional<uint64_t> bytes =
      ReadInteger(info, index, "dataBytes", RINGBUS_DATA_BYTES_STEP, RINGBUS_DATA_BYTES_MAX);
  if (!bytes || *bytes % RINGBUS_DATA_BYTES_STEP == 0) return bytes;
  ThrowRangeError(info.Env(), "Expected `dataBytes` to be a multiple of " + std::to_string(RINGBUS_DATA_BYTES_STEP));
  return std::nullopt;
}

std::optional<uint64_t> ReadOffset(const Napi::CallbackInfo &info, size_t index, uint64_t length,
                                   uint64_t data_bytes) {
  std::optional<uint64_t> offset = ReadInteger(info, index, "offset", 0, data_bytes);
  if (!offset || length <= data_bytes - *offset) return offset;
  ThrowRangeError(info.Env(), "The bytes do not end within the " + std::to_string(data_bytes) + " of the data area");
  return std::nullopt;
}

std::optional<bool> ReadBoolean(const Napi::CallbackInfo &info, size_t index, const char *name) {
  if (info[index].IsBoolean()) return info[index].As<Napi::Boolean>().Value();
  ThrowArgumentError(info.Env(), std::string("Expected `") + name + "` to be a boolean");
  return std::nullopt;
}

std::optional<Bytes> ReadBytes(const Napi::CallbackInfo &info, size_t index, const char *name) {
  if (info[index].IsTypedArray()) {
    void *data = nullptr;
    size_t length = 0;
    napi_typedarray_type type;
    napi_status status =
        napi_get_typedarray_info(info.Env(), info[index], &type, &length, &data, nullptr, nullptr);
    if (status == napi_ok && type == napi_uint8_array) return Bytes{static_cast<uint8_t *>(data), length};
  }
  ThrowArgumentError(info.Env(), std::string("Expected `") + name + "` to be a Uint8Array");
  return std::nullopt;
}

OwnedDescriptor::~OwnedDescriptor() {
  if (fd_ >= 0) close(fd_);
}

int OwnedDescriptor::Release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

}  // namespace ringbus
