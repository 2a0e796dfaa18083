#include "engine/backends/cpu/row_product.h"

#include <algorithm>
#include <array>

namespace oag::cpu {
namespace {

constexpr int64_t kMostColumns = 256, kMostRows = 480, kLeastRows = 48;
// Rows of a copied block lie a line further apart than a power of two: they do not all meet in a few sets of
// the cache.
constexpr int64_t kPitch = kMostColumns + 16;

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
// Steps of at most `most` that cut `count` evenly, multiples of `unit`.
int64_t even_step(int64_t count, int64_t most, int64_t unit) {
  const int64_t pieces = std::max<int64_t>(1, divide_up(count, most));
  return std::max(unit, divide_up(divide_up(count, pieces), unit) * unit);
}

// Tiles of rows by columns, enough of them that all threads have work.
struct Tiles {
  Tiles(const RowProducts& products, int64_t workers) {
    const int64_t wanted = 4 * workers;
    const int64_t narrow = divide_up(products.columns * products.count, wanted);
    column_step =
        even_step(products.columns, std::clamp(narrow, 2 * kPanelColumns, kMostColumns), kPanelColumns);
    column_tiles = divide_up(products.columns, column_step);
    const int64_t row_tiles_wanted =
        divide_up(wanted / 2, std::max<int64_t>(1, column_tiles * products.count));
    const int64_t most = std::clamp(products.rows / row_tiles_wanted, kLeastRows, kMostRows);
    row_step = even_step(products.rows, most, 12);
    row_tiles = divide_up(products.rows, row_step);
  }
  int64_t of_product() const { return column_tiles * row_tiles; }

  int64_t column_step, column_tiles, row_step, row_tiles;
};

constexpr std::array<int64_t, kDepthBlock> block_offsets() {
  std::array<int64_t, kDepthBlock> offsets{};
  for (int64_t k = 0; k < kDepthBlock; ++k) offsets[static_cast<size_t>(k)] = k * kPitch;
  return offsets;
}
constexpr std::array<int64_t, kDepthBlock> kOffsets = block_offsets();

}  // namespace

bool multiply_rows(KernelEnv& env, const MicroKernels& micro, const RowProducts& products,
                   FunctionRef<RowOperands(int64_t product)> operands) {
  const Tiles tiles(products, env.workers());
  const int64_t block_values = std::clamp<int64_t>(products.depth, 1, kDepthBlock) * kPitch;
  auto* scratch = reinterpret_cast<float*>(
      env.workspace(static_cast<size_t>(env.workers() * block_values) * sizeof(float)));
  const int64_t macs = tiles.row_step * tiles.column_step * products.depth;
  // Tiles of the same columns follow each other, so that b is still in a cache.
  return env.parallel_for(products.count * tiles.of_product(), 1 + macs / 32, [&](int64_t i, int worker) {
    const RowOperands operand = operands(i / tiles.of_product());
    const int64_t row = i % tiles.row_tiles * tiles.row_step;
    const int64_t column = i % tiles.of_product() / tiles.row_tiles * tiles.column_step;
    const int64_t rows = std::min(tiles.row_step, products.rows - row);
    const int64_t columns = std::min(tiles.column_step, products.columns - column);
    float* block = scratch + worker * block_values;
    float* y = operand.y + row * products.columns + column;
    for (int64_t k = 0; k < std::max<int64_t>(1, products.depth); k += kDepthBlock) {
      if (k > 0 && env.should_stop()) return;
      const int64_t depth = std::min(kDepthBlock, products.depth - k);
      for (int64_t d = 0; d < depth; ++d)
        std::copy_n(operand.b + (k + d) * products.columns + column, columns, block + d * kPitch);
      const float* bias =
          operand.bias != nullptr && k + kDepthBlock >= products.depth ? operand.bias + row : nullptr;
      for (int64_t c = 0; c < columns; c += kPanelColumns) {
        micro.window_product(operand.a + row * products.depth + k, products.depth, rows, block + c,
                             kOffsets.data(), depth, k > 0, bias, y + c, products.columns,
                             std::min(kPanelColumns, columns - c));
      }
    }
    for (int64_t r = 0; r < rows && products.finish != nullptr; ++r)
      (*products.finish)(y + r * products.columns, columns);
  });
}

}  // namespace oag::cpu
