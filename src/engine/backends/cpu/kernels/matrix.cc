// Products of f32 matrices whose columns lie in vectors, and how rows of weights become such columns.
#include "engine/backends/cpu/kernels/float_rows.h"
#include "engine/backends/cpu/kernels/functions.h"

namespace oag::cpu::OAG_ISA {
namespace {

// Rows of a tile: with two vectors of columns their sums fill the registers, but for what is multiplied.
constexpr int kTileRows = kRegisters == 32 ? 12 : 6;

// R rows of a by two vectors of b's columns; each output takes its products in the order of k. b's rows lie
// kStride apart, or b_stride when that is 0.
template <int R, int kStride>
void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, bool continues,
          float* y, int64_t y_stride) {
  F acc[R][2];
  for (int r = 0; r < R; ++r) {
    __builtin_prefetch(y + r * y_stride, 1);
    __builtin_prefetch(y + r * y_stride + 2 * kLanes - 1, 1);
    acc[r][0] = acc[r][1] = zero();
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = b + k * (kStride == 0 ? b_stride : kStride);
    const F low = load(row), high = load(row + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F value = splat(a[r * a_stride + k]);
      acc[r][0] = mul_add(value, low, acc[r][0]);
      acc[r][1] = mul_add(value, high, acc[r][1]);
    }
  }
  for (int r = 0; r < R; ++r) {
    float* to = y + r * y_stride;
    if (continues) {
      acc[r][0] = add(load(to), acc[r][0]);
      acc[r][1] = add(load(to + kLanes), acc[r][1]);
    }
    store(to, acc[r][0]);
    store(to + kLanes, acc[r][1]);
  }
}

// The last `rows` <= R rows.
template <int R, int kStride>
void last_rows(int64_t rows, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
               int64_t depth, bool continues, float* y, int64_t y_stride) {
  if constexpr (R > 0) {
    if (rows == R) return tile<R, kStride>(a, a_stride, b, b_stride, depth, continues, y, y_stride);
    last_rows<R - 1, kStride>(rows, a, a_stride, b, b_stride, depth, continues, y, y_stride);
  }
}

// The transposed square of kLanes rows from input `i` on; inputs from `end` and rows from `count` on are 0.
template <typename From>
void load_square(const char* w, int64_t stride, int count, int64_t i, int64_t end, F* square) {
  for (int r = 0; r < kLanes; ++r) square[r] = r < count ? From::some(w + r * stride, i, end) : zero();
  transpose(square);
}

template <typename From>
void pack_columns(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(typename From::Stored));
  const char* data = static_cast<const char*>(w.data);
  for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
    const int64_t left = rows - c;
    const int count = left >= kLanes ? kLanes : left > 0 ? static_cast<int>(left) : 0;
    int64_t k = 0;
    F square[kLanes];
    if (count == kLanes) {
      for (; k + kLanes <= depth; k += kLanes) {
#pragma GCC unroll 16
        for (int r = 0; r < kLanes; ++r) {
          square[r] = From::at(data + (c + r) * w.stride_bytes, first + k);
          __builtin_prefetch(data + (c + r) * w.stride_bytes + (first + k) * kBytes + 256);
        }
        transpose(square);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store(panel + (k + i) * kPanelColumns + c, square[i]);
      }
    }
    for (; k < depth; k += kLanes) {
      load_square<From>(data + c * w.stride_bytes, w.stride_bytes, count, first + k, first + depth, square);
      for (int i = 0; i < kLanes && k + i < depth; ++i) store(panel + (k + i) * kPanelColumns + c, square[i]);
    }
  }
}

}  // namespace

void panel_product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth,
                   bool continues, float* y, int64_t y_stride, int64_t columns) {
  float block[kTileRows * kPanelColumns];
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t count = rows - row < kTileRows ? rows - row : kTileRows;
    const float* from = a + row * a_stride;
    float* to = y + row * y_stride;
    int64_t stride = y_stride;
    if (columns != kPanelColumns) {
      stride = kPanelColumns;
      for (int64_t r = 0; continues && r < count; ++r)
        memcpy(block + r * stride, to + r * y_stride, static_cast<size_t>(columns) * sizeof(float));
      to = block;
    }
    for (int64_t c = 0; c < columns; c += 2 * kLanes)
      last_rows<kTileRows, kPanelColumns>(count, from, a_stride, b + c, 0, depth, continues, to + c, stride);
    if (columns == kPanelColumns) continue;
    for (int64_t r = 0; r < count; ++r) {
      memcpy(y + (row + r) * y_stride, block + r * stride, static_cast<size_t>(columns) * sizeof(float));
    }
  }
}

void rows_product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride,
                  int64_t depth, bool continues, float* y, int64_t y_stride) {
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t count = rows - row < kTileRows ? rows - row : kTileRows;
    for (int64_t c = 0; c < kPanelColumns; c += 2 * kLanes) {
      last_rows<kTileRows, 0>(count, a + row * a_stride, a_stride, b + c, b_stride, depth, continues,
                              y + row * y_stride + c, y_stride);
    }
  }
}

void pack_columns_f32(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel) {
  pack_columns<FromF32>(w, rows, first, depth, panel);
}
void pack_columns_f16(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel) {
  pack_columns<FromF16>(w, rows, first, depth, panel);
}
void pack_columns_bf16(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel) {
  pack_columns<FromBf16>(w, rows, first, depth, panel);
}

}  // namespace oag::cpu::OAG_ISA
