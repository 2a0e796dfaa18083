#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace oag {

// Appends fields to one protobuf message in wire format.
class ProtoWriter {
 public:
  void integer(uint32_t field, int64_t value);
  void float_value(uint32_t field, float value);
  void text(uint32_t field, std::string_view text);
  void bytes(uint32_t field, std::span<const std::byte> bytes) {
    text(field, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void message(uint32_t field, const ProtoWriter& inner) { text(field, inner.encoded_); }
  // Packed, as proto3 writes repeated numbers; nothing when there are none.
  void packed(uint32_t field, std::span<const int64_t> values);
  void packed(uint32_t field, std::span<const float> values);

  const std::string& encoded() const { return encoded_; }
  std::string take() { return std::move(encoded_); }

 private:
  void varint(uint64_t value);

  std::string encoded_;
};

}  // namespace oag
