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

// Encoder for f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0 (round to nearest): the inverse layout of
// decode_blocks. Errors: as above; kUnsupported for formats that are only read.
void encode_blocks(DType dtype, std::span<const float> values, std::span<std::byte> blocks);

}  // namespace oag
