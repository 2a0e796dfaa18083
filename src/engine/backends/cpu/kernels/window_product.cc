// Products of f32 matrices whose second operand's rows lie anywhere: those of windows over a map.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

// Rows of a tile: with two vectors of columns their sums fill the registers, but for what is multiplied.
constexpr int kTileRows = kRegisters == 32 ? 12 : 6;

// What all tiles of a call share.
struct Call {
  const float* a;
  int64_t a_stride;
  const float* x;
  const int64_t* offsets;
  int64_t depth;
  bool continues;
  const float* bias;
  float* y;
  int64_t y_stride;
};

// R rows by V vectors of columns, of the last of which `lanes` count; each output takes its products in the
// order of k.
template <int R, int V>
void tile(const Call& call, int64_t row, int64_t column, int64_t lanes) {
  const float* a = call.a + row * call.a_stride;
  const float* x = call.x + column;
  float* y = call.y + row * call.y_stride + column;
  F acc[R][V];
  for (int r = 0; r < R; ++r) {
    __builtin_prefetch(y + r * call.y_stride, 1);
    for (int v = 0; v < V; ++v) acc[r][v] = zero();
  }
  for (int64_t k = 0; k < call.depth; ++k) {
    const float* from = x + call.offsets[k];
    F b[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) b[v] = load(from + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F value = splat(a[r * call.a_stride + k]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) acc[r][v] = mul_add(value, b[v], acc[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    const F bias = call.bias == nullptr ? zero() : splat(call.bias[row + r]);
    for (int v = 0; v < V; ++v) {
      float* to = y + r * call.y_stride + v * kLanes;
      const int64_t count = v == V - 1 ? lanes : kLanes;
      F sum = acc[r][v];
      if (call.continues) sum = add(load_at(to, 0, count, 0.0f), sum);
      if (call.bias != nullptr) sum = add(sum, bias);
      store_at(to, 0, count, sum);
    }
  }
}

// The last `rows` <= R rows.
template <int R, int V>
void last_rows(const Call& call, int64_t rows, int64_t row, int64_t column, int64_t lanes) {
  if constexpr (R > 0) {
    if (rows == R) return tile<R, V>(call, row, column, lanes);
    last_rows<R - 1, V>(call, rows, row, column, lanes);
  }
}

}  // namespace

void window_product(const float* a, int64_t a_stride, int64_t rows, const float* x, const int64_t* offsets,
                    int64_t depth, bool continues, const float* bias, float* y, int64_t y_stride,
                    int64_t columns) {
  const Call call = {a, a_stride, x, offsets, depth, continues, bias, y, y_stride};
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t count = rows - row < kTileRows ? rows - row : kTileRows;
    int64_t column = 0;
    for (; column + kLanes < columns; column += 2 * kLanes) {
      const int64_t left = columns - column - kLanes;
      last_rows<kTileRows, 2>(call, count, row, column, left < kLanes ? left : kLanes);
    }
    if (column < columns) last_rows<kTileRows, 1>(call, count, row, column, columns - column);
  }
}

}  // namespace oag::cpu::OAG_ISA
