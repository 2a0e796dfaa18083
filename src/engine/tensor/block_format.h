#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor/dtype.h"

namespace oag {

// Reference decoder: writes values.size() floats from `blocks`, the raw bytes of one or more whole rows
// stored in `dtype` (f32, f16, bf16 or any block format; layouts: GGUF specification and docs/formats.md).
// Bit-exact. Errors: kUnsupported for other types, kInvalidArgument when the sizes do not belong together.
void decode_blocks(DType dtype, std::span<const std::byte> blocks, std::span<float> values);

}  // namespace oag
