#pragma once

#include "base/function_ref.h"
#include "engine/backends/cpu/image_windows.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// A convolution of one group with few windows in an image: columns of windows would be panels that are
// mostly empty.
struct FewWindows {
  static constexpr int64_t kMost = 16;

  const ImageWindows& windows;
  int64_t batch, channels, outputs;
  const float* x;     // [batch, channels, plane]
  const float* w;     // [outputs, channels · taps]
  const float* bias;  // of each output, or null
  float* y;           // [batch, outputs, out plane]
};

// Windows become rows, of all images together, and are multiplied with the weights' rows. `finish` is called
// for every stretch of y once it is written.
void run_few_windows(KernelEnv& env, const MicroKernels& micro, const FewWindows& conv,
                     FunctionRef<void(float* y, int64_t count)> finish);

}  // namespace oag::cpu
