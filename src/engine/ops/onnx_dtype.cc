#include "engine/ops/onnx_dtype.h"

#include <array>

namespace oag {
namespace {

// Indexed by TensorProto.DataType (onnx.proto of ONNX 1.23).
constexpr std::array kTypes = {
    DType::kUndefined,  DType::kF32,    DType::kU8,         DType::kI8,   DType::kU16,  DType::kI16,
    DType::kI32,        DType::kI64,    DType::kString,     DType::kBool, DType::kF16,  DType::kF64,
    DType::kU32,        DType::kU64,    DType::kC64,        DType::kC128, DType::kBF16, DType::kF8E4M3FN,
    DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ, DType::kU4,   DType::kI4,   DType::kF4E2M1,
    DType::kF8E8M0,     DType::kU2,     DType::kI2,
};

}  // namespace

std::optional<DType> dtype_from_onnx(int64_t code) {
  if (code <= 0 || code >= static_cast<int64_t>(kTypes.size())) return std::nullopt;
  return kTypes[static_cast<size_t>(code)];
}

int64_t onnx_from_dtype(DType dtype) {
  for (size_t i = 1; i < kTypes.size(); ++i) {
    if (kTypes[i] == dtype) return static_cast<int64_t>(i);
  }
  return 0;
}

}  // namespace oag
