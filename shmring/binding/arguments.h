/*
 * Reads arguments as native.ts declares them. Each function throws and returns nothing for another value: a
 * TypeError for what is no such thing, a RangeError for a number out of bounds.
 */
#ifndef RINGBUS_ARGUMENTS_H
#define RINGBUS_ARGUMENTS_H

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ringbus {

/* Valid until JavaScript runs again, which may detach them. */
struct Bytes {
  uint8_t *data;
  size_t length;
};

/* The largest integer up to which JavaScript's numbers tell all integers apart. */
constexpr uint64_t kIntegerMax = (UINT64_C(1) << 53) - 1;

/* A descriptor; nobody has asked the kernel about it yet. */
std::optional<int> ReadDescriptor(const Napi::CallbackInfo &info, size_t index = 0);

/* A non-empty string without NUL, which would cut the path short. */
std::optional<std::string> ReadPath(const Napi::CallbackInfo &info);

/* An integer from `least` to `most`. */
std::optional<uint64_t> ReadInteger(const Napi::CallbackInfo &info, size_t index, const char *name,
                                    uint64_t least, uint64_t most);

/* The size of a data area: a multiple of 64 KiB, at most 1 GiB. */
std::optional<uint64_t> ReadDataSize(const Napi::CallbackInfo &info, size_t index);

/* Where `length` bytes begin that must end within a data area. */
std::optional<uint64_t> ReadOffset(const Napi::CallbackInfo &info, size_t index, uint64_t length,
                                   uint64_t data_bytes);

std::optional<bool> ReadBoolean(const Napi::CallbackInfo &info, size_t index, const char *name);

/* A Uint8Array or a Buffer. */
std::optional<Bytes> ReadBytes(const Napi::CallbackInfo &info, size_t index, const char *name);

/* A descriptor that a function has taken over, and closes unless it hands it on. */
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  OwnedDescriptor(const OwnedDescriptor &) = delete;
  OwnedDescriptor &operator=(const OwnedDescriptor &) = delete;
  ~OwnedDescriptor();
  int Release();

 private:
  int fd_;
};

}  // namespace ringbus

#endif
