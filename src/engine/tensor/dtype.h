#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace oag {

// Element types: ONNX's, containers, then the block formats of GGUF. Elements of strings and containers are
// objects: std::string and Tensor (engine/tensor/container.h). Block formats store a row of values as blocks
// that share scales; they are legal only where a schema says so (weights of Linear and MatMul, Gather tables,
// Dequantize).
enum class DType : uint8_t {
  kUndefined,
  kF32,
  kF64,
  kF16,
  kBF16,
  kF8E4M3FN,
  kF8E4M3FNUZ,
  kF8E5M2,
  kF8E5M2FNUZ,
  kF8E8M0,
  kF4E2M1,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kI4,
  kU4,
  kI2,
  kU2,
  kBool,
  kString,
  kC64,
  kC128,
  kSequence,
  kOptional,
  kMap,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kCount,
};

struct DTypeInfo {
  std::string_view name;  // "f32", "q4_k"
  uint32_t block_values;  // values per block: 1 for plain types, 2 or 4 for packed sub-byte types
  uint32_t block_bytes;   // bytes per block; of objects, their size
  bool is_block_format;   // one of the GGUF block formats
};

const DTypeInfo& dtype_info(DType dtype);
inline std::string_view dtype_name(DType dtype) {
  return dtype_info(dtype).name;
}
inline bool is_block_format(DType dtype) {
  return dtype_info(dtype).is_block_format;
}
bool is_float(DType dtype);    // f64, f32, f16, bf16 and narrower; not block formats
bool is_integer(DType dtype);  // signed and unsigned, bool excluded
// Sequences, optionals and maps, whose elements are tensors.
inline bool is_container(DType dtype) {
  return dtype >= DType::kSequence && dtype <= DType::kMap;
}
// Strings and containers: elements are C++ objects, which are assigned and never copied as bytes.
inline bool is_object(DType dtype) {
  return dtype == DType::kString || is_container(dtype);
}

// The type whose name is `name` (lower case), if any.
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of one row of `values` elements. Errors: kInvalidArgument when `values` is no multiple of the block.
size_t row_bytes(DType dtype, int64_t values);

}  // namespace oag
