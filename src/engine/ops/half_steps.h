#pragma once

#include "engine/tensor/dtype.h"

namespace oag {

// `value` as the step of a definition leaves it that is made of operators on `dtype`: a half is rounded after
// each of them. Wider types are not, so that reference kernels round them once.
double after_step(DType dtype, double value);

}  // namespace oag
