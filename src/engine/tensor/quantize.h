#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/tensor/dtype.h"

namespace oag {

// Writes f32 rows as `to`: f32, f16, bf16 or any block format; the inverse of decode_blocks. `values` holds
// whole rows of row_length values, `out` takes their bytes, row after row, values.size() / row_length times
// row_bytes(to, row_length).
//   f16, bf16: round to nearest even. q4_0, q4_1, q5_0, q5_1, q8_0: bit for bit what gguf-py writes.
//   The others: block scales and levels are searched for the least sum of squared errors, unweighted.
// The bytes depend on nothing but the values: not on the processor, and not on how rows are split over calls,
// so callers divide rows among threads as they like. Thread safe.
// Values that find_unstorable() would name give defined but useless blocks.
// Errors: kUnsupported for other types; kInvalidArgument when the sizes do not belong together.
void quantize_rows(DType to, std::span<const float> values, int64_t row_length, std::span<std::byte> out);

// True for the types that quantize_rows() writes.
bool can_quantize_to(DType to);

// The index of the first value that `to` cannot hold: a NaN, an infinity, or what is beyond its largest
// number (f16 and the f16 scales of block formats: 65504; bf16 rounds the last few below f32's end up).
std::optional<size_t> find_unstorable(DType to, std::span<const float> values);

}  // namespace oag
