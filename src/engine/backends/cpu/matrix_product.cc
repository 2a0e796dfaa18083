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

}  // namespace

bool multiply(KernelEnv& env, const MicroKernels& micro, const MatrixProduct& product, PackPanel pack) {
  constexpr int64_t kRowUnit = 12;  // the rows that panel_product takes at a time
  const int64_t row_step = even_step(product.rows, kMostRows, kRowUnit);
  const int64_t row_tiles = divide_up(product.rows, row_step);
  const int64_t column_tiles_wanted = divide_up(4 * env.workers(), std::max<int64_t>(1, row_tiles));
  const int64_t column_step = even_step(
      product.columns, std::clamp(product.columns / column_tiles_wanted, kPanelColumns, kMostColumns),
      kPanelColumns);
  const int64_t column_tiles = divide_up(product.columns, column_step);
  const auto panel_values = static_cast<size_t>(kSumBlock * column_step);
  auto* scratch = reinterpret_cast<float*>(
      env.workspace(static_cast<size_t>(env.workers()) * panel_values * sizeof(float)));
  const int64_t macs = std::min(row_step, product.rows) * column_step * product.depth;

  // Tiles of the same columns follow each other, so that b is still in a cache.
  return env.parallel_for(
      row_tiles * column_tiles, std::max<int64_t>(1, macs / 64), [&](int64_t i, int worker) {
        const int64_t row = i % row_tiles * row_step, column = i / row_tiles * column_step;
        const int64_t rows = std::min(row_step, product.rows - row);
        const int64_t columns = std::min(column_step, product.columns - column);
        const float* a = product.a + row * product.a_stride;
        float* y = product.y + row * product.y_stride + column;
        float* panels = scratch + static_cast<size_t>(worker) * panel_values;
        for (int64_t k = 0; k < std::max<int64_t>(1, product.depth); k += kSumBlock) {
          if (k > 0 && env.should_stop()) return;
          const int64_t depth = std::min(kSumBlock, product.depth - k);
          for (int64_t c = 0; c < columns; c += kPanelColumns)
            pack(column + c, std::min(kPanelColumns, columns - c), k, depth, panels + c * depth);
          for (int64_t c = 0; c < columns; c += kPanelColumns) {
            micro.panel_product(a + k, product.a_stride, rows, panels + c * depth, depth, k > 0, y + c,
                                product.y_stride, std::min(kPanelColumns, columns - c));
          }
        }
        if (product.bias == nullptr) return;
        for (int64_t r = 0; r < rows; ++r) {
          float* values = y + r * product.y_stride;
          micro.binary[static_cast<int>(BinaryOp::kAdd)](values, false, product.bias + column, false, columns,
                                                         values);
        }
      });
}

}  // namespace oag::cpu
