#include "engine/backends/cpu/matrix_product.h"

#include <algorithm>

namespace oag::cpu {
namespace {

// A block of b of kSumBlock x kMostColumns and one of a of kMostRows x kSumBlock lie in the second-level
// cache together (736 KiB); a panel of kSumBlock x kPanelColumns lies in the first (32 KiB) while the block
// of a passes by.
constexpr int64_t kMostColumns = 256, kMostRows = 480;

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Steps of at most `most` that cut `count` evenly, multiples of `unit`.
int64_t even_step(int64_t count, int64_t most, int64_t unit) {
  const int64_t pieces = std::max<int64_t>(1, divide_up(count, most));
  return std::max(unit, divide_up(divide_up(count, pieces), unit) * unit);
}

void add_bias(const MicroKernels& micro, const float* bias, bool is_scalar, int64_t count, float* values) {
  micro.binary[static_cast<int>(BinaryOp::kAdd)](values, false, bias, is_scalar, count, values);
}

}  // namespace

bool multiply_all(KernelEnv& env, const MicroKernels& micro, const MatrixProducts& products,
                  FunctionRef<ProductOperands(int64_t product)> operands, PackPanelOf pack) {
  constexpr int64_t kRowUnit = 12;  // the rows that panel_product takes at a time
  const int64_t row_step = even_step(products.rows, kMostRows, kRowUnit);
  const int64_t row_tiles = divide_up(products.rows, row_step);
  const int64_t column_tiles_wanted =
      divide_up(4 * env.workers(), std::max<int64_t>(1, row_tiles * products.count));
  const int64_t column_step = even_step(
      products.columns, std::clamp(products.columns / column_tiles_wanted, kPanelColumns, kMostColumns),
      kPanelColumns);
  const int64_t column_tiles = divide_up(products.columns, column_step);
  const auto panel_values = static_cast<size_t>(kSumBlock * column_step);
  auto* scratch = reinterpret_cast<float*>(
      env.workspace(static_cast<size_t>(env.workers()) * panel_values * sizeof(float)));
  const int64_t macs = std::min(row_step, products.rows) * column_step * products.depth;
  const int64_t tiles = row_tiles * column_tiles;

  // Tiles of the same columns follow each other, so that b is still in a cache.
  return env.parallel_for(
      products.count * tiles, std::max<int64_t>(1, macs / 64), [&](int64_t i, int worker) {
        const int64_t index = i / tiles;
        const int64_t row = i % row_tiles * row_step, column = i % tiles / row_tiles * column_step;
        const int64_t rows = std::min(row_step, products.rows - row);
        const int64_t columns = std::min(column_step, products.columns - column);
        const ProductOperands operand = operands(index);
        const float* a = operand.a + row * products.a_stride;
        float* y = operand.y + row * products.y_stride + column;
        float* panels = scratch + static_cast<size_t>(worker) * panel_values;
        for (int64_t k = 0; k < std::max<int64_t>(1, products.depth); k += kSumBlock) {
          if (k > 0 && env.should_stop()) return;
          const int64_t depth = std::min(kSumBlock, products.depth - k);
          for (int64_t c = 0; c < columns; c += kPanelColumns)
            pack(index, column + c, std::min(kPanelColumns, columns - c), k, depth, panels + c * depth);
          for (int64_t c = 0; c < columns; c += kPanelColumns) {
            micro.panel_product(a + k, products.a_stride, rows, panels + c * depth, depth, k > 0, y + c,
                                products.y_stride, std::min(kPanelColumns, columns - c));
          }
        }
        for (int64_t r = 0; r < rows; ++r) {
          float* values = y + r * products.y_stride;
          if (operand.column_bias != nullptr)
            add_bias(micro, operand.column_bias + column, false, columns, values);
          if (operand.row_bias != nullptr) add_bias(micro, operand.row_bias + row + r, true, columns, values);
          if (products.finish != nullptr) (*products.finish)(values, columns);
        }
      });
}

bool multiply(KernelEnv& env, const MicroKernels& micro, const MatrixProduct& product, PackPanel pack) {
  return multiply_all(
      env, micro, {1, product.rows, product.depth, product.columns, product.a_stride, product.y_stride},
      [&](int64_t) { return ProductOperands{product.a, product.y, product.bias}; },
      [&](int64_t, int64_t column, int64_t count, int64_t k, int64_t depth, float* panel) {
        pack(column, count, k, depth, panel);
      });
}

}  // namespace oag::cpu
