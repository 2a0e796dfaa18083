#pragma once

#include <cstddef>
#include <cstdint>

namespace oag {

// What the format allows (the reference library refuses longer headers) and what is absurd.
constexpr uint64_t kSafetensorsMaxHeaderBytes = 100'000'000;
constexpr size_t kSafetensorsMaxDims = 16;
constexpr size_t kSafetensorsLengthBytes = 8;
// Data begins at a multiple of this: headers are padded with blanks.
constexpr uint64_t kSafetensorsAlignment = 8;

}  // namespace oag
