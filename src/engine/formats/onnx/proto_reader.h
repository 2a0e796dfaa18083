#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace oag {

// What all readers of one file share: its bytes, its name in errors, and how many messages may still be read.
struct ProtoSource {
  std::span<const std::byte> bytes;
  std::string where;
  // A message of two bytes becomes a structure of hundreds: this keeps a hostile file from filling the
  // memory.
  uint64_t messages_left = uint64_t{1} << 23;
};

// Reads the fields of one protobuf message in wire format (https://protobuf.dev/programming-guides/encoding),
// one after the other. A field's extent is checked before anything is read of it; fields that nobody asks for
// are skipped; groups, which ONNX has none of, are refused. Views are into the source, which must outlive the
// reader. Errors (all members): kCorruptData naming the byte.
class ProtoReader {
 public:
  explicit ProtoReader(ProtoSource& source) : ProtoReader(source, source.bytes, 0) {}

  // Goes on to the next field; false at the message's end.
  bool next();
  uint32_t field() const { return field_; }

  // The current field's value; `what` names it in errors.
  int64_t integer(const char* what) const;
  float float_value(const char* what) const;
  std::string_view text(const char* what) const;
  std::span<const std::byte> bytes(const char* what) const;
  // A reader of the message that the field holds. Errors: also when messages are nested too deep or there are
  // too many.
  ProtoReader message(const char* what) const;

  // One value of a repeated integer or all of a packed run, each given to `sink`.
  template <typename Sink>
  void integers(const char* what, Sink&& sink) const;
  // The same for values of fixed size: T is float or double.
  template <typename T, typename Sink>
  void fixed(const char* what, Sink&& sink) const;

  // All bytes of this message.
  std::span<const std::byte> extent() const { return extent_; }
  ProtoSource& source() const { return *source_; }
  // A reader of the same message that begins at its first field.
  ProtoReader restarted() const { return {*source_, extent_, depth_}; }

  template <typename... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, source_->where, "at byte {}: {}", place(field_begin_),
         fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  ProtoReader(ProtoSource& source, std::span<const std::byte> extent, int depth)
      : source_(&source), extent_(extent), rest_(extent), depth_(depth) {}

  // Takes a varint off the front of `bytes`.
  uint64_t take_varint(std::span<const std::byte>& bytes) const;
  std::span<const std::byte> take(size_t count);
  size_t place(const std::byte* at) const { return static_cast<size_t>(at - source_->bytes.data()); }
  void expect(Wire wire, const char* what) const {
    if (wire_ != wire) fail_wire(wire, what);
  }
  [[noreturn]] void fail_wire(Wire expected, const char* what) const;

  ProtoSource* source_;
  std::span<const std::byte> extent_;
  std::span<const std::byte> rest_;
  int depth_;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  uint64_t varint_ = 0;
  std::span<const std::byte> payload_;  // of all other wire types
  const std::byte* field_begin_ = extent_.data();
};

template <typename Sink>
void ProtoReader::integers(const char* what, Sink&& sink) const {
  if (wire_ == Wire::kVarint) {
    sink(static_cast<int64_t>(varint_));
    return;
  }
  expect(Wire::kBytes, what);
  for (std::span<const std::byte> run = payload_; !run.empty();) sink(static_cast<int64_t>(take_varint(run)));
}

template <typename T, typename Sink>
void ProtoReader::fixed(const char* what, Sink&& sink) const {
  if (wire_ != (sizeof(T) == 4 ? Wire::kFixed32 : Wire::kFixed64)) expect(Wire::kBytes, what);
  if (payload_.size() % sizeof(T) != 0) {
    fail_here("{} has {} bytes, expected a multiple of {}", what, payload_.size(), sizeof(T));
  }
  for (size_t at = 0; at < payload_.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, payload_.data() + at, sizeof(T));
    sink(value);
  }
}

}  // namespace oag
