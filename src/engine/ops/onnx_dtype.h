#pragma once

#include <cstdint>
#include <optional>

#include "engine/tensor/dtype.h"

namespace oag {

// Element types by their number in ONNX's TensorProto.DataType, as attributes such as Cast's `to` give them.
std::optional<DType> dtype_from_onnx(int64_t code);
// 0 for types that ONNX lacks.
int64_t onnx_from_dtype(DType dtype);

}  // namespace oag
