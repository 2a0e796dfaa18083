#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace oag::test {

// FNV-1a 64 as 16 hex digits, the form in which tools/goldens/ keeps checksums of large results.
inline std::string fnv1a(std::span<const std::byte> bytes) {
  uint64_t value = 0xCBF29CE484222325u;
  for (const std::byte byte : bytes) value = (value ^ static_cast<uint64_t>(byte)) * 0x100000001B3u;
  return fmt::format("{:016x}", value);
}

}  // namespace oag::test
