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

// How the products are cut into tiles: blocks of rows by columns.
struct Tiles {
  Tiles(const MatrixProducts& products, int64_t workers)
      : row_step(even_step(products.rows, kMostRows, kRowUnit)),
        row_tiles(divide_up(products.rows, row_step)) {
    const int64_t wanted = divide_up(4 * workers, std::max<int64_t>(1, row_tiles * products.count));
    column_step = even_step(
        products.columns, std::clamp(products.columns / wanted, kPanelColumns, kMostColumns), kPanelColumns);
    of_product = row_tiles * divide_up(products.columns, column_step);
    const int64_t macs = std::min(row_step, products.rows) * column_step * products.depth;
    ns_per_tile = std::max<int64_t>(1, macs / 64 + column_step * products.depth / 16);
  }

  int64_t row_step, row_tiles, column_step = 0, of_product = 0, ns_per_tile = 0;

 private:
  static constexpr int64_t kRowUnit = 12;  // the rows that panel_product takes at a time
};

void add_biases(const MicroKernels& micro, const ProductOperands& operand, int64_t row, int64_t rows,
                int64_t column, int64_t columns, float* y, int64_t y_stride) {
  if (operand.column_bias == nullptr && operand.row_bias == nullptr) return;
  for (int64_t r = 0; r < rows; ++r) {
    float* values = y + r * y_stride;
    if (operand.column_bias != nullptr) add_bias(micro, operand.column_bias + column, false, columns, values);
    if (operand.row_bias != nullptr) add_bias(micro, operand.row_bias + row + r, true, columns, values);
  }
}

}  // namespace

bool multiply_all(KernelEnv& env, const MicroKernels& micro, const MatrixProducts& products,
                  FunctionRef<ProductOperands(int64_t product)> operands, PackPanelOf pack) {
  const Tiles tiles(products, env.workers());
  const int64_t block_values = std::min(kSumBlock, products.depth) * tiles.column_step;
  auto* scratch = reinterpret_cast<float*>(
      env.workspace(static_cast<size_t>(env.workers() * block_values) * sizeof(float)));
  // Tiles of the same columns follow each other, so that b is still in a cache.
  return env.parallel_for(products.count * tiles.of_product, tiles.ns_per_tile, [&](int64_t i, int worker) {
    const int64_t index = i / tiles.of_product;
    const int64_t row = i % tiles.row_tiles * tiles.row_step,
                  column = i % tiles.of_product / tiles.row_tiles * tiles.column_step;
    const int64_t rows = std::min(tiles.row_step, products.rows - row);
    const int64_t columns = std::min(tiles.column_step, products.columns - column);
    const ProductOperands operand = operands(index);
    const float* a = operand.a + row * products.a_stride;
    float* y = operand.y + row * products.y_stride + column;
    float* packed = scratch + worker * block_values;
    const auto in_place = [&](int64_t c) {
      return operand.b_rows != nullptr && column + c + kPanelColumns <= products.columns;
    };
    for (int64_t k = 0; k < std::max<int64_t>(1, products.depth); k += kSumBlock) {
      if (k > 0 && env.should_stop()) return;
      const int64_t depth = std::min(kSumBlock, products.depth - k);
      for (int64_t c = 0; c < columns && operand.b_panels == nullptr; c += kPanelColumns) {
        if (!in_place(c))
          pack(index, column + c, std::min(kPanelColumns, columns - c), k, depth, packed + c * depth);
      }
      for (int64_t c = 0; c < columns; c += kPanelColumns) {
        if (operand.b_panels == nullptr && in_place(c)) {
          micro.rows_product(a + k, products.a_stride, rows,
                             operand.b_rows + k * products.columns + column + c, products.columns, depth,
                             k > 0, y + c, products.y_stride);
          continue;
        }
        const float* panel = operand.b_panels == nullptr
                                 ? packed + c * depth
                                 : operand.b_panels + (column + c) * products.depth + k * kPanelColumns;
        micro.panel_product(a + k, products.a_stride, rows, panel, depth, k > 0, y + c, products.y_stride,
                            std::min(kPanelColumns, columns - c));
      }
    }
    add_biases(micro, operand, row, rows, column, columns, y, products.y_stride);
    if (products.finish == nullptr) return;
    for (int64_t r = 0; r < rows; ++r) (*products.finish)(y + r * products.y_stride, columns);
  });
}

bool multiply_all(KernelEnv& env, const MicroKernels& micro, const MatrixProducts& products,
                  FunctionRef<ProductOperands(int64_t product)> operands) {
  return multiply_all(env, micro, products, operands,
                      [](int64_t, int64_t, int64_t, int64_t, int64_t, float*) {});
}

int64_t panel_values(int64_t depth, int64_t columns) {
  return divide_up(columns, kPanelColumns) * kPanelColumns * depth;
}

bool pack_panels(KernelEnv& env, int64_t depth, int64_t columns, PackPanel pack, float* panels) {
  const int64_t blocks = std::max<int64_t>(1, divide_up(depth, kSumBlock));
  return env.parallel_for(divide_up(columns, kPanelColumns) * blocks, kSumBlock * kPanelColumns / 4,
                          [&](int64_t i, int) {
                            const int64_t column = i / blocks * kPanelColumns, k = i % blocks * kSumBlock;
                            pack(column, std::min(kPanelColumns, columns - column), k,
                                 std::min(kSumBlock, depth - k), panels + column * depth + k * kPanelColumns);
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
