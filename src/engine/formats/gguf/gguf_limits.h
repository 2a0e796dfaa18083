#pragma once

#include <cstddef>
#include <cstdint>

namespace oag {

// What the GGUF format allows; reader and writer share it.
constexpr size_t kGgufMaxNameBytes =
    65'535;  // the format's limit for keys; tensor names are shorter in practice
constexpr uint32_t kGgufMaxDims = 4;
constexpr uint64_t kGgufDefaultAlignment = 32;
constexpr uint64_t kGgufMinAlignment = 8;
constexpr uint64_t kGgufMaxAlignment = uint64_t{1} << 30;

constexpr bool is_gguf_alignment(uint64_t alignment) {
  return alignment >= kGgufMinAlignment && alignment <= kGgufMaxAlignment &&
         (alignment & (alignment - 1)) == 0;
}

}  // namespace oag
