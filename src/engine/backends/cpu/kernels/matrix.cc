// Products of f32 matrices whose columns lie in vectors.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

// R rows of a by two vectors of b's columns; each output takes its products in the order of k.
template <int R>
void tile(const float* a, int64_t a_stride, const float* b, int64_t depth, float* y, int64_t y_stride) {
  F acc[R][2];
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = zero();
  for (int64_t k = 0; k < depth; ++k) {
    const F low = load(b + k * kPanelColumns), high = load(b + k * kPanelColumns + kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F value = splat(a[r * a_stride + k]);
      acc[r][0] = mul_add(value, low, acc[r][0]);
      acc[r][1] = mul_add(value, high, acc[r][1]);
    }
  }
  for (int r = 0; r < R; ++r) {
    store(y + r * y_stride, acc[r][0]);
    store(y + r * y_stride + kLanes, acc[r][1]);
  }
}

}  // namespace

void panel_product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth, float* y,
                   int64_t y_stride, int64_t columns) {
  constexpr int kRows = 6;
  float block[kRows * kPanelColumns];
  for (int64_t row = 0; row < rows; row += kRows) {
    const int64_t count = rows - row < kRows ? rows - row : kRows;
    const bool whole = count == kRows && columns == kPanelColumns;
    for (int64_t c = 0; c < kPanelColumns; c += 2 * kLanes) {
      float* to = whole ? y + row * y_stride + c : block + c;
      const int64_t stride = whole ? y_stride : kPanelColumns;
      const float* from = a + row * a_stride;
      switch (count) {
        case 6: tile<6>(from, a_stride, b + c, depth, to, stride); break;
        case 5: tile<5>(from, a_stride, b + c, depth, to, stride); break;
        case 4: tile<4>(from, a_stride, b + c, depth, to, stride); break;
        case 3: tile<3>(from, a_stride, b + c, depth, to, stride); break;
        case 2: tile<2>(from, a_stride, b + c, depth, to, stride); break;
        default: tile<1>(from, a_stride, b + c, depth, to, stride); break;
      }
    }
    if (whole) continue;
    for (int64_t r = 0; r < count; ++r) {
      memcpy(y + (row + r) * y_stride, block + r * kPanelColumns,
             static_cast<size_t>(columns) * sizeof(float));
    }
  }
}

}  // namespace oag::cpu::OAG_ISA
