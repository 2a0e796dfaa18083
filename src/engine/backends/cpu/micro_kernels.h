#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/tensor/dtype.h"

namespace oag::cpu {

enum class Isa : int;

// Activations of several tokens as int8 blocks of 32: x ≈ scale · q.
struct BlockActivations {
  const int8_t* q;      // [tokens, inputs], in [-127, 127]
  const float* scales;  // [tokens, scale_stride], one for 32 values, 0 past the end
  const float* sums;    // [tokens, sum_stride], scale · Σq for each 16 or 32 values, 0 past the end
  int64_t inputs;
  int64_t scale_stride;
  int64_t sum_stride;
};

// How a block format looks once unpacked: value = scale · q + least, with scale and least for each 32 or 16
// values.
enum class BlockKind { kUnsigned32, kUnsigned16, kSigned32 };  // kSigned32 has no least
inline constexpr int group_values(BlockKind kind) {
  return kind == BlockKind::kUnsigned16 ? 16 : 32;
}

// Some unpacked weight rows.
struct BlockPanel {
  uint8_t* q;            // [rows, inputs]; below 128, or int8 for kSigned32
  float* scales;         // [rows, group_stride], 0 past the end
  float* leasts;         // [rows, group_stride], 0 past the end
  int64_t group_stride;  // groups in a row, rounded up to kPadding
};

// Arrays of scales, leasts and sums are padded with zeros to this many.
inline constexpr int64_t kPadding = 8;
inline constexpr int64_t padded(int64_t count) {
  return (count + kPadding - 1) / kPadding * kPadding;
}

struct BlockFormat {
  DType dtype;
  BlockKind kind;
  // Unpacks one stored row of `inputs` values.
  void (*unpack)(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
};
inline constexpr int kBlockFormatCount = 13;

// Rows of f32, f16 or bf16 values, `stride_bytes` apart.
struct FloatRows {
  const void* data;
  int64_t stride_bytes;
};

// A softmax under way over the positions seen so far: their largest score and Σ e^(score - top).
struct SoftmaxState {
  float top;    // -infinity before the first
  float total;  // 0 before the first
};

// Columns of a panel of f32 matrices.
inline constexpr int64_t kPanelColumns = 16;

enum class BinaryOp { kAdd, kSub, kMul, kDiv };

// The inner loops that differ by instruction set: one table per set, filled by kernels/<file>.cc compiled
// once for each. They are plain functions over pointers, so that nothing compiled for a newer processor leaks
// into shared code. What each element's sum over its inner dimension looks like depends on that dimension's
// length alone: not on how many rows or tokens a call has. That is what makes results independent of batch
// and threads.
struct MicroKernels {
  const char* isa;

  // --- oag.Linear with block formats (kernels/block_dot.cc, kernels/block_unpack.cc)
  // Quantises one row to nearest, scale = max|x| / 127; `group` values per sum. A row with NaN or infinity
  // gets NaN scales in the blocks concerned. Writes padded(inputs / 32) scales and padded(inputs / group)
  // sums.
  void (*quantise_row)(const float* x, int64_t inputs, int group, int8_t* q, float* scales, float* sums);
  BlockFormat formats[kBlockFormatCount];
  // y[t * y_stride + r] = Σ panel row r · activations of token t + bias[r]; bias may be null. By BlockKind.
  void (*block_dot[3])(const BlockPanel& panel, int64_t rows, const BlockActivations& x, int64_t tokens,
                       const float* bias, float* y, int64_t y_stride);

  // --- products of f32 rows with f32, f16 and bf16 rows (kernels/float_dot.cc)
  // y[t * y_stride + r] = Σ_i w[r][i] · x[t][i] + bias[r], accumulated in f32; bias may be null.
  using FloatDot = void (*)(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride,
                            int64_t tokens, int64_t inputs, const float* bias, float* y, int64_t y_stride);
  FloatDot dot_f32, dot_f16, dot_bf16;

  // --- attention (kernels/attention.cc); `width` is a multiple of 8
  // acc[q][c] += Σ_r weights[q * weight_stride + r] · v[r][c], rows in order; acc is [queries, width].
  using WeightedSum = void (*)(const FloatRows& v, int64_t rows, const float* weights, int64_t weight_stride,
                               int64_t queries, int64_t width, float* acc);
  WeightedSum weighted_sum_f32, weighted_sum_f16;
  // Takes `count` further scores into `state`: they become e^(score - top), and acc is scaled to the new top.
  void (*softmax_step)(float* scores, int64_t count, SoftmaxState* state, float* acc, int64_t width);
  // Joins what two runs of positions gave.
  void (*softmax_merge)(SoftmaxState* into, float* into_acc, const SoftmaxState* part, const float* part_acc,
                        int64_t width);

  // --- conversions (kernels/convert.cc), to nearest even; q8_0 counts are multiples of 32
  void (*f32_from_f16)(const uint16_t* from, int64_t count, float* to);
  void (*f16_from_f32)(const float* from, int64_t count, uint16_t* to);
  void (*f32_from_bf16)(const uint16_t* from, int64_t count, float* to);
  void (*f32_from_q8_0)(const uint8_t* from, int64_t count, float* to);

  // --- element by element (kernels/elementwise.cc); y may be an input
  // y = a op b, where a scalar operand is one value for all. By BinaryOp.
  void (*binary[4])(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count,
                    float* y);
  void (*exp)(const float* x, int64_t count, float* y);      // within 2 ulp
  void (*sigmoid)(const float* x, int64_t count, float* y);  // 1 / (1 + e^-x), within 4 ulp
  void (*swish)(const float* x, int64_t count, float* y);    // x / (1 + e^-x), within 4 ulp
  void (*swiglu)(const float* gate, const float* up, int64_t count,
                 float* y);  // swish(gate) · up, within 5 ulp

  // --- rows
  void (*rms_norm)(const float* x, const float* scale, int64_t count, float epsilon, float* y);
  void (*layer_norm)(const float* x, const float* scale, const float* bias, int64_t count, float epsilon,
                     float* y, float* mean_out, float* inverse_out);  // bias may be null
  void (*softmax_row)(const float* x, int64_t count, float* y);
  // Turns pairs (x[i], x[half + i]), or (x[2i], x[2i + 1]), by the angles whose cosines and sines are given
  // [half].
  void (*rotate_halves)(const float* x, const float* cos, const float* sin, int64_t half, float* y);
  void (*rotate_pairs)(const float* x, const float* cos, const float* sin, int64_t half, float* y);

  // --- f32 matrices (kernels/matrix.cc)
  // y[r * y_stride + c] = Σ_k a[r * a_stride + k] · b[k][c] for `columns` <= kPanelColumns; b is [depth,
  // kPanelColumns].
  void (*panel_product)(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth,
                        float* y, int64_t y_stride, int64_t columns);

  // --- what one core can do (kernels/limits.cc)
  float (*read_all)(const float* data, int64_t count);  // the largest value; counts are multiples of 64
  // Multiply-adds done by `rounds` rounds, on values that stay in registers or the nearest cache.
  int64_t (*f32_multiply_adds)(int64_t rounds, const float* two_values, float* result);
  int64_t (*int8_multiply_adds)(int64_t rounds, const int8_t* bytes, float* result);  // 512 bytes in [0, 127]
};

// Errors: none; `isa` is one of available_isas().
const MicroKernels& micro_kernels(Isa isa);

}  // namespace oag::cpu
