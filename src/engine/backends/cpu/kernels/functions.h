#pragma once

#include "engine/backends/cpu/micro_kernels.h"

// What the files of this folder define for table.cc, once per instruction set.
namespace oag::cpu::OAG_ISA {

// packed_dot.cc
void pack_panel(const BlockFormat& format, const uint8_t* rows, int64_t stride, int row_count, int64_t inputs,
                uint8_t* scratch, uint8_t* panel);
void quantise_tile(const float* x, int64_t x_stride, int tokens, int64_t inputs, uint8_t* tile);
void packed_dot(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* tile, int tokens,
                const float* bias, float* y, int64_t y_stride);

// block_unpack.cc
void unpack_q4_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q4_1(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q5_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q5_1(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q8_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q2_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q3_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q4_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q5_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_q6_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_iq4_nl(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_iq4_xs(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);
void unpack_mxfp4(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to);

// float_dot.cc
void dot_f32(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
             int64_t inputs, const float* bias, float* y, int64_t y_stride);
void dot_f16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
             int64_t inputs, const float* bias, float* y, int64_t y_stride);
void dot_bf16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens,
              int64_t inputs, const float* bias, float* y, int64_t y_stride);

// attention.cc
void key_scores_f32(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                    int64_t width, float* scores);
void key_scores_f16(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                    int64_t width, float* scores);
void key_scores_q8_0(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                     int64_t width, float* scores);
void weighted_sum_f32(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                      int64_t weight_stride, int64_t queries, int64_t width, float* acc);
void weighted_sum_f16(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                      int64_t weight_stride, int64_t queries, int64_t width, float* acc);
void weighted_sum_q8_0(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                       int64_t weight_stride, int64_t queries, int64_t width, float* acc);
void softmax_step(float* scores, int64_t count, SoftmaxState* state, float* acc, int64_t width);
void softmax_merge(SoftmaxState* into, float* into_acc, const SoftmaxState* part, const float* part_acc,
                   int64_t width);

// convert.cc
void f16_from_f32(const float* from, int64_t count, uint16_t* to);

// elementwise.cc
template <BinaryOp kOp>
void binary(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count, float* y);
template <ElementOp kOp>
void element(const float* x, int64_t count, float a, float b, float* y);
void exp_all(const float* x, int64_t count, float* y);
void sigmoid_all(const float* x, int64_t count, float* y);
void swish_all(const float* x, int64_t count, float* y);
void gelu_all(const float* x, int64_t count, float* y);
void gelu_tanh_all(const float* x, int64_t count, float* y);
void swiglu_all(const float* gate, const float* up, int64_t count, float* y);
void rms_norm(const float* x, const float* scale, int64_t count, float epsilon, float* y);
void layer_norm(const float* x, const float* scale, const float* bias, int64_t count, float epsilon, float* y,
                float* mean_out, float* inverse_out);
void softmax_row(const float* x, int64_t count, float* y);
void rotate_halves(const float* x, const float* cos, const float* sin, int64_t half, float* y);
void rotate_pairs(const float* x, const float* cos, const float* sin, int64_t half, float* y);

// matrix.cc
void panel_product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t depth,
                   bool continues, float* y, int64_t y_stride, int64_t columns);
void rows_product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride,
                  int64_t depth, bool continues, float* y, int64_t y_stride);
void pack_columns_f32(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel);
void pack_columns_f16(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel);
void pack_columns_bf16(const FloatRows& w, int64_t rows, int64_t first, int64_t depth, float* panel);

// taps.cc
void tap_sums(const float* x, const int64_t* offsets, const float* weights, int64_t taps, float bias,
              int64_t count, float* y);
void tap_maxima(const float* x, const int64_t* offsets, int64_t taps, int64_t count, float* y);

// window_product.cc
void window_product(const float* a, int64_t a_stride, int64_t rows, const float* x, const int64_t* offsets,
                    int64_t depth, bool continues, const float* bias, float* y, int64_t y_stride,
                    int64_t columns);

// recurrent.cc
void lstm_gates(const float* gates, int64_t stride, int64_t count, float* c, float* h);
void gru_reset(const float* reset, const float* h, int64_t count, float* kept);
void gru_gates(const float* gates, int64_t stride, bool reset_after, int64_t count, float* h);
void tanh_all(const float* x, int64_t count, float* y);

// reduce.cc
template <ReduceOp kOp>
float reduce_row(const float* x, int64_t count);
template <ReduceOp kOp>
void reduce_columns(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y);
void softmax_columns(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y);
void transpose_block(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                     int64_t to_stride);

// limits.cc
float read_all(const float* data, int64_t count);
int64_t f32_multiply_adds(int64_t rounds, const float* two_values, float* result);
int64_t int8_multiply_adds(int64_t rounds, const int8_t* bytes, float* result);

}  // namespace oag::cpu::OAG_ISA
