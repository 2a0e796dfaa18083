#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

#define OAG_TEXT_OF(name) #name
#define OAG_TEXT(name) OAG_TEXT_OF(name)

namespace oag::cpu::OAG_ISA {

// Signed levels where the set's products are of unsigned ones are packed as level + 128.
constexpr float kByteLeast = kSignedLevels ? 0.0f : -128.0f;

extern constinit const MicroKernels kMicroKernels;
constinit const MicroKernels kMicroKernels = {
    .isa = OAG_TEXT(OAG_ISA),
    .lanes = kLanes,
    .tile_tokens = kTileTokens,
    // dtype, bits, groups, f16 scales, own leasts, else least per scale, unpack
    .formats = {{DType::kQ4_0, 4, 1, true, false, -8, unpack_q4_0},
                {DType::kQ4_1, 4, 1, true, true, 0, unpack_q4_1},
                {DType::kQ5_0, 6, 1, true, false, -16, unpack_q5_0},
                {DType::kQ5_1, 6, 1, true, true, 0, unpack_q5_1},
                {DType::kQ8_0, 8, 1, true, false, kByteLeast, unpack_q8_0},
                {DType::kQ2_K, 4, 2, false, true, 0, unpack_q2_k},
                {DType::kQ3_K, 4, 2, false, false, -4, unpack_q3_k},
                {DType::kQ4_K, 4, 1, false, true, 0, unpack_q4_k},
                {DType::kQ5_K, 6, 1, false, true, 0, unpack_q5_k},
                {DType::kQ6_K, 6, 2, false, false, -32, unpack_q6_k},
                {DType::kIQ4_NL, 8, 1, true, false, kByteLeast, unpack_iq4_nl},
                {DType::kIQ4_XS, 8, 1, false, false, kByteLeast, unpack_iq4_xs},
                {DType::kMXFP4, 6, 1, false, false, -12, unpack_mxfp4}},
    .pack_panel = pack_panel,
    .quantise_tile = quantise_tile,
    .packed_dot = packed_dot,
    .dot_f32 = dot_f32,
    .dot_f16 = dot_f16,
    .dot_bf16 = dot_bf16,
    .key_scores_f32 = key_scores_f32,
    .key_scores_f16 = key_scores_f16,
    .key_scores_q8_0 = key_scores_q8_0,
    .weighted_sum_f32 = weighted_sum_f32,
    .weighted_sum_f16 = weighted_sum_f16,
    .weighted_sum_q8_0 = weighted_sum_q8_0,
    .softmax_step = softmax_step,
    .softmax_merge = softmax_merge,
    .f16_from_f32 = f16_from_f32,
    .f32_from_bf16 = f32_from_bf16,
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
