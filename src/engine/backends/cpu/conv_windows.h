#pragma once

#include "engine/backends/cpu/conv_operands.h"

namespace oag::cpu {

// Whether rows of windows fill the vectors that they are computed in.
bool suits_windows(const ConvOperands& conv, const MicroKernels& micro);

// The convolution without columns of windows being written: rows of the maps are copied once, with their
// padding, and the products read each tap's elements where they lie.
void run_windows(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv);

}  // namespace oag::cpu
