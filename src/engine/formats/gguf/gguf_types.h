#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/tensor/dtype.h"

namespace oag {

// Types of metadata values, with the numbers that stand in the file (GGUF specification,
// gguf_metadata_value_type).
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};
constexpr uint32_t kGgufTypeCount = 13;

// "u8", "string", …
std::string_view gguf_type_name(GgufType type);

// Bytes of one value in the file; 0 for strings and arrays, which have no fixed size.
size_t gguf_type_bytes(GgufType type);

// A tensor type as GGUF files number it. Types that this engine cannot compute with have dtype kUndefined.
struct GgmlType {
  uint32_t id;
  std::string_view name;  // "Q4_K", as GGUF tools print it
  uint32_t block_values;
  uint32_t block_bytes;
  DType dtype;
};

// Null for a number that no known tool writes.
const GgmlType* find_ggml_type(uint32_t id);

// Null for an element type that GGUF has no number for.
const GgmlType* find_ggml_type(DType dtype);

// "Q4_K", or "type 77" for an unknown number.
std::string ggml_type_name(uint32_t id);

}  // namespace oag
