#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// y [rows, columns] = a [rows, depth] · b + bias, all f32. Rows of a and y may lie apart.
struct MatrixProduct {
  int64_t rows, depth, columns;
  const float* a;
  int64_t a_stride;
  float* y;
  int64_t y_stride;
  const float* bias = nullptr;  // of each column
};

// Writes b's rows [k, k + depth) of `count` <= kPanelColumns columns from `column` on, as
// [depth, kPanelColumns] with whatever value in the columns that there are not.
using PackPanel = FunctionRef<void(int64_t column, int64_t count, int64_t k, int64_t depth, float* panel)>;

// Computes it on all threads, block by block: scratch memory is 256 KiB a thread, whatever the sizes. Each
// output takes its products in blocks of kSumBlock, then the bias. Looks whether to stop every few million
// multiply-adds; false when it did.
bool multiply(KernelEnv& env, const MicroKernels& micro, const MatrixProduct& product, PackPanel pack);

// What is done to each row of a tile of y once its sums and biases are complete.
using FinishRow = FunctionRef<void(float* y, int64_t count)>;

// Several products of the same sizes, each with its own operands.
struct MatrixProducts {
  int64_t count;
  int64_t rows, depth, columns;
  int64_t a_stride, y_stride;
  const FinishRow* finish = nullptr;
};
struct ProductOperands {
  const float* a;
  float* y;
  const float* column_bias = nullptr;
  const float* row_bias = nullptr;
  const float* b_panels = nullptr;  // b as pack_panels lays it out
  const float* b_rows = nullptr;    // or b's dense rows, to be read in place; else panels are packed
};
using PackPanelOf =
    FunctionRef<void(int64_t product, int64_t column, int64_t count, int64_t k, int64_t depth, float* panel)>;

// The same for all of them together. Without `pack` every b has panels.
bool multiply_all(KernelEnv& env, const MicroKernels& micro, const MatrixProducts& products,
                  FunctionRef<ProductOperands(int64_t product)> operands, PackPanelOf pack);
bool multiply_all(KernelEnv& env, const MicroKernels& micro, const MatrixProducts& products,
                  FunctionRef<ProductOperands(int64_t product)> operands);

// Panels of a whole b: [panel, depth, kPanelColumns]. How many values that are, and how they are made.
int64_t panel_values(int64_t depth, int64_t columns);
bool pack_panels(KernelEnv& env, int64_t depth, int64_t columns, PackPanel pack, float* panels);

}  // namespace oag::cpu
