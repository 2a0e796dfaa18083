#include "engine/ops/half_steps.h"

#include "engine/ops/element.h"
#include "engine/tensor/float16.h"

namespace oag {

double after_step(DType dtype, double value) {
  if (dtype == DType::kF16) return static_cast<double>(f32_from_f16(f16_from_f32(narrow_to_odd(value))));
  if (dtype == DType::kBF16) return static_cast<double>(f32_from_bf16(bf16_from_f32(narrow_to_odd(value))));
  return value;
}

}  // namespace oag
