#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// Products are summed in blocks of so many of the inner dimension. With kPanelColumns columns a block takes
// half of a first-level cache, which leaves room for the other operand.
inline constexpr int64_t kDepthBlock = 128;

// What is done to neighbouring elements of y once they are complete.
using FinishRun = FunctionRef<void(float* y, int64_t count)>;

// Several products y [rows, columns] = a [rows, depth] · b [depth, columns] + bias of one size, where b has
// dense rows and many columns: maps of pixels.
struct RowProducts {
  int64_t count;
  int64_t rows, depth, columns;
  const FinishRun* finish = nullptr;
};
struct RowOperands {
  const float* a;
  const float* b;
  float* y;
  const float* bias = nullptr;  // of each row
};

// Computes them on all threads: scratch memory is 280 KiB a thread, whatever the sizes. Each output takes its
// products in blocks of kDepthBlock, then the bias. False when the run was stopped.
bool multiply_rows(KernelEnv& env, const MicroKernels& micro, const RowProducts& products,
                   FunctionRef<RowOperands(int64_t product)> operands);

}  // namespace oag::cpu
