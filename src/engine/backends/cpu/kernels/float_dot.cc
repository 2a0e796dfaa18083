// Products of a few rows of f32 activations with f32, f16 and bf16 rows, which are read as they are stored.
// A square of kLanes weights of kLanes rows is transposed in registers, so that each lane sums one output, in
// the order of the inputs: the order of panel_product, which many activations take.
#include "engine/backends/cpu/kernels/float_rows.h"
#include "engine/backends/cpu/kernels/functions.h"

namespace oag::cpu::OAG_ISA {
namespace {

// Tokens of a tile: their sums stay in registers beside a square.
constexpr int kMostTokens = kRegisters == 32 ? 8 : 4;

// Squares of rows that are summed at a time: enough sums under way to hide how long an addition takes.
template <int T>
constexpr int kSquares = T == 1 ? (kLanes == 4 ? 4 : 2) : T * kLanes <= 16 ? 2 : 1;

// S squares of rows by T tokens. The last square has `last` rows.
template <typename From, int S, int T>
void dot_tile(const char* w, int64_t w_stride, int last, const float* x, int64_t x_stride, int64_t inputs,
              const float* bias, float* y, int64_t y_stride) {
  F acc[S][T];
  for (int s = 0; s < S; ++s) {
    for (int t = 0; t < T; ++t) acc[s][t] = zero();
  }
  int64_t i = 0;
  for (; i + kLanes <= inputs; i += kLanes) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      const char* rows = w + s * kLanes * w_stride;
      F square[kLanes];
      if (last == kLanes) {
#pragma GCC unroll 16
        for (int r = 0; r < kLanes; ++r) square[r] = From::at(rows + r * w_stride, i);
      } else {
        for (int r = 0; r < kLanes; ++r) square[r] = r < last ? From::at(rows + r * w_stride, i) : zero();
      }
      transpose(square);
#pragma GCC unroll 16
      for (int k = 0; k < kLanes; ++k) {
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) acc[s][t] = mul_add(splat(x[t * x_stride + i + k]), square[k], acc[s][t]);
      }
    }
  }
  for (int s = 0; s < S && i < inputs; ++s) {
    F square[kLanes];
    for (int r = 0; r < kLanes; ++r) {
      const bool has_row = s + 1 < S || r < last;
      square[r] = has_row ? From::some(w + (s * kLanes + r) * w_stride, i, inputs) : zero();
    }
    transpose(square);
    for (int k = 0; i + k < inputs; ++k) {
      for (int t = 0; t < T; ++t) acc[s][t] = mul_add(splat(x[t * x_stride + i + k]), square[k], acc[s][t]);
    }
  }
  for (int s = 0; s < S; ++s) {
    const int count = s + 1 < S ? kLanes : last;
    for (int t = 0; t < T; ++t) {
      F value = acc[s][t];
      if (bias != nullptr) value = add(value, load_at(bias, s * kLanes, count, 0.0f));
      store_at(y + t * y_stride, s * kLanes, count, value);
    }
  }
}

template <typename From, int T>
void dot_rows(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t inputs,
              const float* bias, float* y, int64_t y_stride) {
  constexpr int kRows = kSquares<T> * kLanes;
  const char* data = static_cast<const char*>(w.data);
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    dot_tile<From, kSquares<T>, T>(data + r * w.stride_bytes, w.stride_bytes, kLanes, x, x_stride, inputs,
                                   bias ? bias + r : nullptr, y + r, y_stride);
  }
  for (; r < rows; r += kLanes) {
    const int last = rows - r < kLanes ? static_cast<int>(rows - r) : kLanes;
    dot_tile<From, 1, T>(data + r * w.stride_bytes, w.stride_bytes, last, x, x_stride, inputs,
                         bias ? bias + r : nullptr, y + r, y_stride);
  }
}

// The last `tokens` <= T tokens.
template <typename From, int T>
void dot_tokens(int64_t tokens, const FloatRows& w, int64_t rows, const float* x, int64_t x_stride,
                int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  if constexpr (T > 0) {
    if (tokens == T) return dot_rows<From, T>(w, rows, x, x_stride, inputs, bias, y, y_stride);
    dot_tokens<From, T - 1>(tokens, w, rows, x, x_stride, inputs, bias, y, y_stride);
  }
}

template <typename From>
void dot_all(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
             int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  for (int64_t t = 0; t < tokens; t += kMostTokens) {
    const int64_t count = tokens - t < kMostTokens ? tokens - t : kMostTokens;
    dot_tokens<From, kMostTokens>(count, w, rows, x + t * x_stride, x_stride, inputs, bias, y + t * y_stride,
                                  y_stride);
  }
}

}  // namespace

void dot_f32(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
             int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  dot_all<FromF32>(w, rows, x, x_stride, tokens, inputs, bias, y, y_stride);
}
void dot_f16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
             int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  dot_all<FromF16>(w, rows, x, x_stride, tokens, inputs, bias, y, y_stride);
}
void dot_bf16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
              int64_t inputs, const float* bias, float* y, int64_t y_stride) {
  dot_all<FromBf16>(w, rows, x, x_stride, tokens, inputs, bias, y, y_stride);
}

}  // namespace oag::cpu::OAG_ISA
