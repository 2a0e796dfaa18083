#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/tensor/dtype.h"

namespace oag::cpu {

enum class Isa : int;

// How the scale, and the least where a format has its own, of a group are packed.
enum class Numbers {
  kF16,      // an f16 value
  kBytes,    // a signed byte, times an f16 value for 256 inputs
  kNibbles,  // 4 bits of a byte, the scale's the lower, times an f16 value for 256 inputs
  kPowers,   // a signed byte n for 2^n
};

// One row, unpacked: numbers for each group. With kBytes and kNibbles they are whole and to be multiplied by
// those of their 256 inputs; with kPowers they are exponents.
struct RowNumbers {
  float* scales;
  float* leasts;
  float* super_scales;
  float* super_leasts;
};

// How a block format is unpacked and packed: value = scale · level + least, with a scale and a least for each
// group of 32 or 16 values, or scale · table[level] + least.
struct BlockFormat {
  DType dtype;
  int bits;              // packed, of a level: 2 to 6, or 8
  const uint8_t* table;  // of 16 entries, or null; with 8 bits, the entries are packed and not the levels
  int value_bits;        // levels, or the table's entries, are below 2^value_bits; 8: a whole byte, see
                         // kSignedLevels
  int groups;            // in a block of 32 values: 1 or 2
  Numbers numbers;
  bool own_leasts;  // else least = least_per_scale · scale, once packed
  float least_per_scale;
  // Unpacks one stored row of `inputs` values: levels [inputs], signed ones of 8 bits. Numbers of a kind that
  // the format lacks are left as they are.
  void (*unpack)(const uint8_t* row, int64_t inputs, uint8_t* levels, const RowNumbers& numbers);
};
inline constexpr int kBlockFormatCount = 13;

// Rows packed for oag.Linear: panels of `lanes` rows, the last filled up with zeros. A panel is one stretch
// after the other, each of 256 inputs with kBytes and kNibbles and of 32 inputs else. A stretch: with kBytes
// and kNibbles the lanes' f16 super scales and super leasts (or as many zeros, so that vectors lie on their
// boundaries); then for each block of 32 inputs the lanes' scales by group, and their leasts if they have
// bytes of their own; then for each block the planes of its levels.
//
// Levels of 5 and 6 bits are a plane of 4 and one of 1 or 2 bits, those of 3 bits planes of 2 and 1. A plane
// of n bits is n vectors of lanes · 4 bytes: step s, four inputs of each row, stands in vector s % n from bit
// n · (s / n) of each byte.
struct PackedRows {
  const BlockFormat* format;
  const uint8_t* panels;
  int64_t rows;
  int64_t inputs;
  int64_t panel_bytes;
};
// Blocks of 32 inputs in a stretch.
inline constexpr int stretch_blocks(const BlockFormat& format) {
  return format.numbers == Numbers::kBytes || format.numbers == Numbers::kNibbles ? 8 : 1;
}
// Of a stretch's super scales and leasts, of a block's numbers, of its levels.
inline constexpr int super_bytes(const BlockFormat& format, int lanes) {
  return stretch_blocks(format) == 1 ? 0 : lanes * 4;
}
inline constexpr int number_bytes(const BlockFormat& format, int lanes) {
  const int numbers = format.groups * (format.own_leasts && format.numbers != Numbers::kNibbles ? 2 : 1);
  return lanes * numbers * (format.numbers == Numbers::kF16 ? 2 : 1);
}
inline constexpr int level_bytes(const BlockFormat& format, int lanes) {
  return lanes * 4 * format.bits;
}
inline constexpr int stretch_bytes(const BlockFormat& format, int lanes) {
  const int block = number_bytes(format, lanes) + level_bytes(format, lanes);
  return super_bytes(format, lanes) + stretch_blocks(format) * block;
}
inline constexpr int64_t panel_bytes(const BlockFormat& format, int lanes, int64_t inputs) {
  return inputs / (32 * stretch_blocks(format)) * stretch_bytes(format, lanes);
}
// What packing one panel needs beside it.
inline constexpr int64_t pack_scratch_bytes(int lanes, int64_t inputs) {
  constexpr int64_t kNumbers = 2 * (2 + 1);  // for 32 inputs at most, f32: two groups and their supers
  return (lanes * (inputs + inputs / 32 * kNumbers * 4) + 63) / 64 * 64;
}

// Activations of T tokens as int8 blocks of 32, x ≈ scale · q, one record for a block: q by step of four
// inputs [8, T, 4], the scales [T], then scale · Σq over all 32, the first 16 and the last 16 inputs, [T]
// each.
inline constexpr int64_t kActivationBytes = 48;  // of a block of one token

// Rows of f32, f16, bf16 or q8_0 values, `stride_bytes` apart.
struct FloatRows {
  const void* data;
  int64_t stride_bytes;
};

// Keys of up to `lanes` neighbouring positions: dim i of position t is values[i * stride + t]; for q8_0 times
// scales[i / 32 * stride + t].
struct KeyRun {
  const void* values;
  const uint16_t* scales;
  const void* ahead;  // memory of the same layout that is read soon: it is fetched meanwhile
  int64_t at, count;  // the positions' places among the scores
};
inline constexpr int64_t kScoreStride = 256;

// A softmax under way over the positions seen so far: their largest score and Σ e^(score - top).
struct SoftmaxState {
  float top;    // -infinity before the first
  float total;  // 0 before the first
};

// Columns of a panel of f32 matrices.
inline constexpr int64_t kPanelColumns = 32;

// Products of f32 matrices are summed in blocks of so many of the inner dimension, each in order; then the
// blocks' sums in order. A block of a panel lies in the first-level cache.
inline constexpr int64_t kSumBlock = 256;

enum class ReduceOp { kSum, kAbs, kSquares, kMax, kMin };  // extremes of what has a NaN are NaN
inline constexpr int kReduceOps = 5;

enum class BinaryOp { kAdd, kSub, kMul, kDiv };

// Functions of one element and two parameters.
enum class ElementOp {
  kClip,         // into [a, b]; NaN stays
  kLeakyRelu,    // a · x below 0
  kHardSigmoid,  // a · x + b, into [0, 1]
  kHardSwish,    // x · (x / 6 + 1 / 2, into [0, 1])
  kAffine,       // a · x + b
  kErf,          // within 4 ulp
};
inline constexpr int kElementOps = 6;

// The inner loops that differ by instruction set: one table per set, filled by kernels/<file>.cc compiled
// once for each. They are plain functions over pointers, so that nothing compiled for a newer processor leaks
// into shared code. What each element's sum over its inner dimension looks like depends on that dimension's
// length alone: not on how many rows or tokens a call has. That is what makes results independent of batch
// and threads.
struct MicroKernels {
  const char* isa;

  // --- oag.Linear with block formats (kernels/packed_dot.cc, kernels/block_unpack.cc)
  int lanes;                   // rows in a panel
  int tile_tokens;             // tokens in an activation tile, at most
  const BlockFormat* formats;  // kBlockFormatCount
  // Packs `row_count` <= lanes stored rows of one of `formats`; scratch holds pack_scratch_bytes, 64-byte
  // aligned.
  void (*pack_panel)(const BlockFormat& format, const uint8_t* rows, int64_t stride, int row_count,
                     int64_t inputs, uint8_t* scratch, uint8_t* panel);
  // Quantises to nearest, scale = max|x| / 127. A block with NaN or infinity gets a NaN scale.
  void (*quantise_tile)(const float* x, int64_t x_stride, int tokens, int64_t inputs, uint8_t* tile);
  // y[t * y_stride + r] = Σ row r · activations of token t + bias[r] for the rows of some panels; bias may be
  // null.
  void (*packed_dot)(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* tile, int tokens,
                     const float* bias, float* y, int64_t y_stride);

  // --- products of few f32 rows with f32, f16 and bf16 rows (kernels/float_dot.cc)
  // y[t * y_stride + r] = Σ_i w[r][i] · x[t][i] + bias[r], accumulated in f32; bias may be null.
  using FloatDot = void (*)(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride,
                            int64_t tokens, int64_t inputs, const float* bias, float* y, int64_t y_stride);
  FloatDot dot_f32, dot_f16, dot_bf16;

  // --- attention (kernels/attention.cc); `width` is a multiple of 8, of 32 for q8_0
  // scores[q * kScoreStride + at + t] = Σ_i q[q][i] · keys[i][t] for each run, i in order (q8_0: within 32
  // dims, then those sums in order). Up to a vector behind the last position may be read, not used.
  using KeyScores = void (*)(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q,
                             int64_t queries, int64_t width, float* scores);
  KeyScores key_scores_f32, key_scores_f16, key_scores_q8_0;
  // acc[q][c] += Σ_r weights[q * weight_stride + r] · v[r][c], rows in order; acc is [queries, width].
  // Fetches the rows at `ahead` meanwhile.
  using WeightedSum = void (*)(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                               int64_t weight_stride, int64_t queries, int64_t width, float* acc);
  WeightedSum weighted_sum_f32, weighted_sum_f16, weighted_sum_q8_0;
  // Takes `count` further scores into `state`: they become e^(score - top), and acc is scaled to the new top.
  void (*softmax_step)(float* scores, int64_t count, SoftmaxState* state, float* acc, int64_t width);
  // Joins what two runs of positions gave.
  void (*softmax_merge)(SoftmaxState* into, float* into_acc, const SoftmaxState* part, const float* part_acc,
                        int64_t width);

  // --- conversion (kernels/convert.cc), to nearest even
  void (*f16_from_f32)(const float* from, int64_t count, uint16_t* to);

  // --- element by element (kernels/elementwise.cc); y may be an input
  // y = a op b, where a scalar operand is one value for all. By BinaryOp.
  void (*binary[4])(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count,
                    float* y);
  using Element = void (*)(const float* x, int64_t count, float a, float b, float* y);
  Element element[kElementOps];                              // by ElementOp
  void (*exp)(const float* x, int64_t count, float* y);      // within 2 ulp
  void (*sigmoid)(const float* x, int64_t count, float* y);  // 1 / (1 + e^-x), within 4 ulp
  void (*swish)(const float* x, int64_t count, float* y);    // x / (1 + e^-x), within 4 ulp
  // x · Φ(x), and its form by tanh; within 4 ulp of max(|x|, 1).
  void (*gelu)(const float* x, int64_t count, float* y);
  void (*gelu_tanh)(const float* x, int64_t count, float* y);
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
  // kPanelColumns]. Where it `continues`, the sum is added to what y holds.
  void (*panel_product)(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth,
                        bool continues, float* y, int64_t y_stride, int64_t columns);
  // The same for kPanelColumns columns of a b whose rows lie b_stride apart; equal bits.
  void (*rows_product)(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride,
                       int64_t depth, bool continues, float* y, int64_t y_stride);
  // panel[k][c] = value first + k of row c, for `rows` <= kPanelColumns; 0 for the columns that are left.
  using PackColumns = void (*)(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel);
  PackColumns pack_columns_f32, pack_columns_f16, pack_columns_bf16;

  // --- windows along a row (kernels/taps.cc); up to a vector behind the last window may be read, not used
  // y[i] = bias + Σ_t weights[t] · x[offsets[t] + i], in the order of t.
  void (*tap_sums)(const float* x, const int64_t* offsets, const float* weights, int64_t taps, float bias,
                   int64_t count, float* y);
  // y[r * y_stride + c] = Σ_k a[r * a_stride + k] · x[offsets[k] + c] + bias[r], in the order of k; bias may
  // be null. Where it `continues`, what y holds comes before the bias.
  void (*window_product)(const float* a, int64_t a_stride, int64_t rows, const float* x,
                         const int64_t* offsets, int64_t depth, bool continues, const float* bias, float* y,
                         int64_t y_stride, int64_t columns);
  // y[i] = max_t x[offsets[t] + i]; anything where one is NaN.
  void (*tap_maxima)(const float* x, const int64_t* offsets, int64_t taps, int64_t count, float* y);

  // --- recurrent cells (kernels/recurrent.cc): `gates` are sums, `stride` apart from gate to gate
  // Gates input, output, forget and cell: the next c and h.
  void (*lstm_gates)(const float* gates, int64_t stride, int64_t count, float* c, float* h);
  // kept = sigmoid(reset) · h
  void (*gru_reset)(const float* reset, const float* h, int64_t count, float* kept);
  // Gates update, reset and hidden: the next h. Where the reset gate comes after the product, hidden is the
  // product alone and a fourth gate has what the input adds.
  void (*gru_gates)(const float* gates, int64_t stride, bool reset_after, int64_t count, float* h);
  void (*tanh)(const float* x, int64_t count, float* y);  // within 4 ulp

  // --- reductions and moves (kernels/reduce.cc); a reduction of nothing is 0, or -inf and inf for extremes
  float (*reduce_row[kReduceOps])(const float* x, int64_t count);
  // y[c] is joined with the reduction of x[r * stride + c] over r.
  void (*reduce_columns[kReduceOps])(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y);
  // The softmax of each column of x; y lies as x does.
  void (*softmax_columns)(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y);
  // to[c * to_stride + r] = from[r * from_stride + c], any 32 bits.
  void (*transpose_block)(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                          int64_t to_stride);

  // --- what one core can do (kernels/limits.cc)
  float (*read_all)(const float* data, int64_t count);  // the largest value; counts are multiples of 128
  // Multiply-adds done by `rounds` rounds, on values that stay in registers or the nearest cache.
  int64_t (*f32_multiply_adds)(int64_t rounds, const float* two_values, float* result);
  int64_t (*int8_multiply_adds)(int64_t rounds, const int8_t* bytes, float* result);  // 512 bytes in [0, 15]
};

// Errors: none; `isa` is one of available_isas().
const MicroKernels& micro_kernels(Isa isa);

}  // namespace oag::cpu
