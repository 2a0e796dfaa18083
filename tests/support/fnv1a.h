#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/fnv1a.h"

namespace oag::test {

// FNV-1a 64 of bytes as 16 hex digits, the form in which tools/goldens/ keeps checksums of large results.
inline std::string fnv1a(std::span<const std::byte> bytes) {
  Fnv1a hash;
  hash.add(bytes);
  return fmt::format("{:016x}", hash.value());
}
inline std::string fnv1a(std::string_view bytes) {
  return fnv1a(std::as_bytes(std::span(bytes)));
}

}  // namespace oag::test
