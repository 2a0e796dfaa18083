#include "engine/backends/cpu/kernels/functions.h"

#define OAG_TEXT_OF(name) #name
#define OAG_TEXT(name) OAG_TEXT_OF(name)

namespace oag::cpu::OAG_ISA {

extern constinit const MicroKernels kMicroKernels;
constinit const MicroKernels kMicroKernels = {
    .isa = OAG_TEXT(OAG_ISA),
    .quantise_row = quantise_row,
    .formats = {{DType::kQ4_0, BlockKind::kUnsigned32, unpack_q4_0},
                {DType::kQ4_1, BlockKind::kUnsigned32, unpack_q4_1},
                {DType::kQ5_0, BlockKind::kUnsigned32, unpack_q5_0},
                {DType::kQ5_1, BlockKind::kUnsigned32, unpack_q5_1},
                {DType::kQ8_0, BlockKind::kSigned32, unpack_q8_0},
                {DType::kQ2_K, BlockKind::kUnsigned16, unpack_q2_k},
                {DType::kQ3_K, BlockKind::kUnsigned16, unpack_q3_k},
                {DType::kQ4_K, BlockKind::kUnsigned32, unpack_q4_k},
                {DType::kQ5_K, BlockKind::kUnsigned32, unpack_q5_k},
                {DType::kQ6_K, BlockKind::kUnsigned16, unpack_q6_k},
                {DType::kIQ4_NL, BlockKind::kSigned32, unpack_iq4_nl},
                {DType::kIQ4_XS, BlockKind::kSigned32, unpack_iq4_xs},
                {DType::kMXFP4, BlockKind::kUnsigned32, unpack_mxfp4}},
    .block_dot = {block_dot<BlockKind::kUnsigned32>, block_dot<BlockKind::kUnsigned16>,
                  block_dot<BlockKind::kSigned32>},
    .dot_f32 = dot_f32,
    .dot_f16 = dot_f16,
    .dot_bf16 = dot_bf16,
    .weighted_sum_f32 = weighted_sum_f32,
    .weighted_sum_f16 = weighted_sum_f16,
    .softmax_step = softmax_step,
    .softmax_merge = softmax_merge,
    .f32_from_f16 = f32_from_f16,
    .f16_from_f32 = f16_from_f32,
    .f32_from_bf16 = f32_from_bf16,
    .f32_from_q8_0 = f32_from_q8_0,
    .binary = {binary<BinaryOp::kAdd>, binary<BinaryOp::kSub>, binary<BinaryOp::kMul>,
               binary<BinaryOp::kDiv>},
    .exp = exp_all,
    .sigmoid = sigmoid_all,
    .swish = swish_all,
    .swiglu = swiglu_all,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .softmax_row = softmax_row,
    .rotate_halves = rotate_halves,
    .rotate_pairs = rotate_pairs,
    .panel_product = panel_product,
    .read_all = read_all,
    .f32_multiply_adds = f32_multiply_adds,
    .int8_multiply_adds = int8_multiply_adds,
};

}  // namespace oag::cpu::OAG_ISA
