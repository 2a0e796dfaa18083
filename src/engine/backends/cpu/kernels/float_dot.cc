// Products of f32 activations with f32, f16 and bf16 rows.
#include "engine/backends/cpu/kernels/float_rows.h"
#include "engine/backends/cpu/kernels/functions.h"

namespace oag::cpu::OAG_ISA {
namespace {

// Tokens of a tile: with four rows their sums fill the registers, but for what is multiplied.
constexpr int kMostTokens = kRegisters == 32 ? 6 : 3;

// R rows by T tokens: one accumulator of kLanes sums per output, input i in lane i % kLanes.
template <typename From, int R, int T>
void dot_tile(const char* w, int64_t w_stride, const float* x, int64_t x_stride, int64_t inputs,
              const float* bias, float* y, int64_t y_stride) {
  F acc[R][T];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) acc[r][t] = zero();
  }
  int64_t i = 0;
  for (; i + kLanes <= inputs; i += kLanes) {
    F xs[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) xs[t] = load(x + t * x_stride + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F ws = From::at(w + r * w_stride, i);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) acc[r][t] = mul_add(ws, xs[t], acc[r][t]);
    }
  }
  if (i < inputs) {
    for (int r = 0; r < R; ++r) {
      const F ws = From::some(w + r * w_stride, i, inputs);
      for (int t = 0; t < T; ++t)
        acc[r][t] =
            mul_add(ws, FromF32::some(reinterpret_cast<const char*>(x + t * x_stride), i, inputs), acc[r][t]);
    }
  }
  for (int t = 0; t < T; ++t) {
    float* out = y + t * y_stride;
    if constexpr (R % 4 == 0) {
      for (int r = 0; r < R; r += 4)
        store_sums(out + r, acc[r][t], acc[r + 1][t], acc[r + 2][t], acc[r + 3][t]);
    } else {
      for (int r = 0; r < R; ++r) out[r] = sum(acc[r][t]);
    }
    if (bias == nullptr) continue;
    for (int r = 0; r < R; ++r) out[r] += bias[r];
  }
}

template <typename From, int T>
void dot_rows(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t inputs,
              const float* bias, float* y, int64_t y_stride) {
  constexpr int kRows = T == 1 ? 8 : 4;
  const char* data = static_cast<const char*>(w.data);
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    dot_tile<From, kRows, T>(data + r * w.stride_bytes, w.stride_bytes, x, x_stride, inputs,
                             bias ? bias + r : nullptr, y + r, y_stride);
  }
  for (; r < rows; ++r) {
    dot_tile<From, 1, T>(data + r * w.stride_bytes, w.stride_bytes, x, x_stride, inputs,
                         bias ? bias + r : nullptr, y + r, y_stride);
  }
}

// Of `tokens` <= T tokens.
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
