#pragma once

#include <cstdint>

#include "engine/tensor/tensor.h"

namespace oag::cli {

// Tensors of values that most models take, the same on every machine for a seed: floats from [0, 1), integers
// and truth values of 0 and 1 (which are indices everywhere), words of eight letters.
class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : state_(seed) {}

  // Errors: kInvalidArgument and kOutOfMemory for absurd dims.
  Tensor tensor(DType dtype, Dims dims);

 private:
  uint64_t next();
  double fraction() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  void draw_codes(const Tensor& tensor);

  uint64_t state_;
};

}  // namespace oag::cli
