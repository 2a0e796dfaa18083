#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/ops/kernel.h"
#include "engine/tensor/dtype.h"

namespace oag {

// The integers that a type of at most 16 bits holds.
struct IntegerRange {
  double low, high;
};
IntegerRange integer_range(DType dtype);

// A value as it is after rounding to nearest even in f32, f16 or bf16; other types leave it alone.
double rounded_to(DType dtype, double value);

// Quantised values of an integer type: to nearest even, moved by the zero point, saturating. NaN counts as 0.
double quantized(double quotient, double zero_point, IntegerRange range);

}  // namespace oag
