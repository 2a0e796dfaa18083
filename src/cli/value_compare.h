#pragma once

#include <string>

#include "engine/tensor/tensor.h"

namespace oag::cli {

// How near numbers have to be: |seen - expected| <= absolute + relative * |expected|, as numpy.allclose has
// it.
struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-7;
  bool values = true;  // false where they are drawn at random: type and shape alone
};

// Empty where `seen` is what was expected, else what differs, in one line. Types and shapes have to be equal,
// strings and what is inside sequences, optionals and maps too; NaN equals NaN, infinities of one sign each
// other. bfloat16, which has 8 bits of mantissa, gets a relative tolerance of at least 2^-6.
std::string difference(const Tensor& seen, const Tensor& expected, const Tolerance& tolerance);

}  // namespace oag::cli
