#pragma once

#include "engine/backends/cpu/micro_kernels.h"

// What the files of this folder define for table.cc, once per instruction set.
namespace oag::cpu::OAG_ISA {

// block_dot.cc
template <BlockKind kKind>
void block_dot(const BlockPanel& panel, int64_t rows, const BlockActivations& x, int64_t tokens, const float* bias, float* y,
               int64_t y_stride);
void quantise_row(const float* x, int64_t inputs, int group, int8_t* q, float* scales, float* sums);

// block_unpack.cc
void unpack_q4_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q4_1(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q5_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q5_1(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q8_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q2_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q3_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q4_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q5_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_q6_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_iq4_nl(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_iq4_xs(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);
void unpack_mxfp4(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts);

// float_dot.cc
void dot_f32(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens, int64_t inputs,
             const float* bias, float* y, int64_t y_stride);
void dot_f16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens, int64_t inputs,
             const float* bias, float* y, int64_t y_stride);
void dot_bf16(const FloatRows& w, int64_t rows, const float* x, int64_t x_stride, int64_t tokens, int64_t inputs,
              const float* bias, float* y, int64_t y_stride);

}  // namespace oag::cpu::OAG_ISA
