#pragma once

#include <cstdint>

#include "engine/tensor/dtype.h"

namespace oag {

// The 8-bit float types of ONNX: E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ (ONNX "Float stored in 8 bits") and E8M0,
// the scale of the OCP microscaling formats, which has no sign: 2^(byte - 127), 255 being NaN.

float f32_from_float8(DType dtype, uint8_t byte);

// Rounds to nearest even, E8M0 as e8m0_from_double(…, kUp). What is past the largest finite value, infinity
// included, becomes that value when `saturate`, else infinity or, where the type has none, NaN.
uint8_t float8_from_double(DType dtype, double value, bool saturate);

// How a value between two powers of two becomes one of them; halves go up.
enum class PowerRounding { kUp, kDown, kNearest };

// The sign is dropped; infinities become NaN. Without `saturate` what is past 2^127 is NaN too.
uint8_t e8m0_from_double(double value, bool saturate, PowerRounding rounding);

// E2M1, a float of 4 bits: code 0 to 15 as ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}, the sign in bit 3.
float f32_from_float4(uint8_t code);
// To nearest, ties to the even code, saturating; NaN becomes -0, as it does in ml_dtypes.
uint8_t float4_from_double(double value);

}  // namespace oag
