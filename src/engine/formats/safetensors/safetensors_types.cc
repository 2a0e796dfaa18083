#include "engine/formats/safetensors/safetensors_types.h"

namespace oag {
namespace {

// The names of safetensors 0.6 (its enumeration Dtype).
constexpr SafetensorsType kTypes[] = {
    {"F64", 64, DType::kF64},          {"F32", 32, DType::kF32},
    {"F16", 16, DType::kF16},          {"BF16", 16, DType::kBF16},
    {"I64", 64, DType::kI64},          {"I32", 32, DType::kI32},
    {"I16", 16, DType::kI16},          {"I8", 8, DType::kI8},
    {"U64", 64, DType::kU64},          {"U32", 32, DType::kU32},
    {"U16", 16, DType::kU16},          {"U8", 8, DType::kU8},
    {"BOOL", 8, DType::kBool},         {"F8_E4M3", 8, DType::kF8E4M3FN},
    {"F8_E5M2", 8, DType::kF8E5M2},    {"F8_E8M0", 8, DType::kF8E8M0},
    {"C64", 64, DType::kC64},          {"F4", 4, DType::kUndefined},
    {"F6_E2M3", 6, DType::kUndefined}, {"F6_E3M2", 6, DType::kUndefined},
};

}  // namespace

const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const SafetensorsType& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const SafetensorsType* find_safetensors_type(DType dtype) {
  if (dtype == DType::kUndefined) return nullptr;
  for (const SafetensorsType& type : kTypes) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

}  // namespace oag
