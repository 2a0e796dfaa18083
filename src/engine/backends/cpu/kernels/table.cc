#include "engine/backends/cpu/kernels/block_formats.h"
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

#define OAG_TEXT_OF(name) #name
#define OAG_TEXT(name) OAG_TEXT_OF(name)

namespace oag::cpu::OAG_ISA {

extern constinit const MicroKernels kMicroKernels;
constinit const MicroKernels kMicroKernels = {
    .isa = OAG_TEXT(OAG_ISA),
    .lanes = kLanes,
    .tile_tokens = kTileTokens,
    .formats = kFormats,
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
    .binary = {binary<BinaryOp::kAdd>, binary<BinaryOp::kSub>, binary<BinaryOp::kMul>,
               binary<BinaryOp::kDiv>},
    .element = {element<ElementOp::kClip>, element<ElementOp::kLeakyRelu>, element<ElementOp::kHardSigmoid>,
                element<ElementOp::kHardSwish>, element<ElementOp::kAffine>, element<ElementOp::kErf>},
    .exp = exp_all,
    .sigmoid = sigmoid_all,
    .swish = swish_all,
    .gelu = gelu_all,
    .gelu_tanh = gelu_tanh_all,
    .swiglu = swiglu_all,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .softmax_row = softmax_row,
    .rotate_halves = rotate_halves,
    .rotate_pairs = rotate_pairs,
    .panel_product = panel_product,
    .rows_product = rows_product,
    .pack_columns_f32 = pack_columns_f32,
    .pack_columns_f16 = pack_columns_f16,
    .pack_columns_bf16 = pack_columns_bf16,
    .tap_sums = tap_sums,
    .window_product = window_product,
    .tap_maxima = tap_maxima,
    .lstm_gates = lstm_gates,
    .gru_reset = gru_reset,
    .gru_gates = gru_gates,
    .tanh = tanh_all,
    .reduce_row = {reduce_row<ReduceOp::kSum>, reduce_row<ReduceOp::kAbs>, reduce_row<ReduceOp::kSquares>,
                   reduce_row<ReduceOp::kMax>, reduce_row<ReduceOp::kMin>},
    .reduce_columns = {reduce_columns<ReduceOp::kSum>, reduce_columns<ReduceOp::kAbs>,
                       reduce_columns<ReduceOp::kSquares>, reduce_columns<ReduceOp::kMax>,
                       reduce_columns<ReduceOp::kMin>},
    .softmax_columns = softmax_columns,
    .transpose_block = transpose_block,
    .read_all = read_all,
    .f32_multiply_adds = f32_multiply_adds,
    .int8_multiply_adds = int8_multiply_adds,
};

}  // namespace oag::cpu::OAG_ISA
