#include "engine/formats/gguf/gguf_types.h"

#include <fmt/core.h>

#include <array>

namespace oag {
namespace {

// Numbers 4, 5, 31 to 33 and 36 to 38 belonged to types that were removed from the format.
constexpr GgmlType kGgmlTypes[] = {
    {0, "F32", 1, 4, DType::kF32},
    {1, "F16", 1, 2, DType::kF16},
    {2, "Q4_0", 32, 18, DType::kQ4_0},
    {3, "Q4_1", 32, 20, DType::kQ4_1},
    {6, "Q5_0", 32, 22, DType::kQ5_0},
    {7, "Q5_1", 32, 24, DType::kQ5_1},
    {8, "Q8_0", 32, 34, DType::kQ8_0},
    {9, "Q8_1", 32, 40, DType::kUndefined},
    {10, "Q2_K", 256, 84, DType::kQ2_K},
    {11, "Q3_K", 256, 110, DType::kQ3_K},
    {12, "Q4_K", 256, 144, DType::kQ4_K},
    {13, "Q5_K", 256, 176, DType::kQ5_K},
    {14, "Q6_K", 256, 210, DType::kQ6_K},
    {15, "Q8_K", 256, 292, DType::kUndefined},
    {16, "IQ2_XXS", 256, 66, DType::kUndefined},
    {17, "IQ2_XS", 256, 74, DType::kUndefined},
    {18, "IQ3_XXS", 256, 98, DType::kUndefined},
    {19, "IQ1_S", 256, 50, DType::kUndefined},
    {20, "IQ4_NL", 32, 18, DType::kIQ4_NL},
    {21, "IQ3_S", 256, 110, DType::kUndefined},
    {22, "IQ2_S", 256, 82, DType::kUndefined},
    {23, "IQ4_XS", 256, 136, DType::kIQ4_XS},
    {24, "I8", 1, 1, DType::kI8},
    {25, "I16", 1, 2, DType::kI16},
    {26, "I32", 1, 4, DType::kI32},
    {27, "I64", 1, 8, DType::kI64},
    {28, "F64", 1, 8, DType::kF64},
    {29, "IQ1_M", 256, 56, DType::kUndefined},
    {30, "BF16", 1, 2, DType::kBF16},
    {34, "TQ1_0", 256, 54, DType::kUndefined},
    {35, "TQ2_0", 256, 66, DType::kUndefined},
    {39, "MXFP4", 32, 17, DType::kMXFP4},
    {40, "NVFP4", 64, 36, DType::kUndefined},
    {41, "Q1_0", 128, 18, DType::kUndefined},
};

struct ValueType {
  std::string_view name;
  size_t bytes;
};

constexpr std::array<ValueType, kGgufTypeCount> kValueTypes = {{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"bool", 1},
    {"string", 0},
    {"array", 0},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  return kValueTypes[static_cast<size_t>(type)].name;
}

size_t gguf_type_bytes(GgufType type) {
  return kValueTypes[static_cast<size_t>(type)].bytes;
}

const GgmlType* find_ggml_type(uint32_t id) {
  for (const GgmlType& type : kGgmlTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

const GgmlType* find_ggml_type(DType dtype) {
  if (dtype == DType::kUndefined) return nullptr;
  for (const GgmlType& type : kGgmlTypes) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

std::string ggml_type_name(uint32_t id) {
  const GgmlType* type = find_ggml_type(id);
  return type != nullptr ? std::string(type->name) : fmt::format("type {}", id);
}

}  // namespace oag
