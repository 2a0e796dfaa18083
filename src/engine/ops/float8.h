#pragma once

#include <cstdint>

#include "engine/tensor/dtype.h"

namespace oag {

// The four 8-bit float types of ONNX: E4M3FN, E4M3FNUZ, E5M2 and E5M2FNUZ (ONNX "Float stored in 8 bits").

float f32_from_float8(DType dtype, uint8_t byte);

// Rounds to nearest even. What is past the largest finite value, infinity included, becomes that value when
// `saturate`, else infinity or, where the type has none, NaN.
uint8_t float8_from_double(DType dtype, double value, bool saturate);

}  // namespace oag
