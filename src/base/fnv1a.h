#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace oag {

// FNV-1a, 64 bits: for telling things apart, not against forgers.
class Fnv1a {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) value_ = (value_ ^ static_cast<uint64_t>(byte)) * 0x100000001B3u;
  }
  // With its length, so that "ab", "c" is not "a", "bc".
  void add(std::string_view text) {
    add(static_cast<uint64_t>(text.size()));
    add(std::as_bytes(std::span(text)));
  }
  void add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) value_ = (value_ ^ (number >> shift & 0xFF)) * 0x100000001B3u;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace oag
