#pragma once

#include "engine/tensor/dtype.h"
#include "engine/tensor/quantize_lanes.h"

namespace oag::quantize {

// The kernel of one family that writes whole blocks of `dtype`, `lanes` values at a time; null when the type
// belongs to another family. Every kernel takes any input without undefined behaviour.
Kernel legacy_kernel(DType dtype, int lanes);  // f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0
Kernel k_kernel(DType dtype, int lanes);       // q2_k, q3_k, q4_k, q5_k, q6_k
Kernel table_kernel(DType dtype, int lanes);   // iq4_nl, iq4_xs, mxfp4

}  // namespace oag::quantize
