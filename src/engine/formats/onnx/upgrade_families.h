#pragma once

namespace oag {

class OldNode;

// Each takes a node older than its operator's `current_from` (upgrade_table.cc) and appends what it means.

// Only `consumed_inputs` is gone, which append_upgraded drops from every old node.
void upgrade_nothing_else(OldNode& old);

// upgrade_elementwise.cc
void upgrade_broadcast(OldNode& old);  // Add, And, Div, Equal, Greater, Less, Mul, Or, Pow, Sub, Xor
void upgrade_cast(OldNode& old);
void upgrade_clip(OldNode& old);
void upgrade_erf(OldNode& old);
void upgrade_prelu(OldNode& old);
void upgrade_selu(OldNode& old);

// upgrade_reduction.cc
void upgrade_reduction(OldNode& old);      // Reduce*
void upgrade_log_reduction(OldNode& old);  // ReduceLogSum, ReduceLogSumExp
void upgrade_softmax(OldNode& old);        // Softmax, LogSoftmax, Hardmax

// upgrade_shape.cc
void upgrade_axes(OldNode& old);  // Squeeze, Unsqueeze
void upgrade_concat(OldNode& old);
void upgrade_pad(OldNode& old);
void upgrade_reshape(OldNode& old);
void upgrade_slice(OldNode& old);
void upgrade_split(OldNode& old);
void upgrade_tile(OldNode& old);

// upgrade_selection.cc
void upgrade_one_hot(OldNode& old);
void upgrade_scatter(OldNode& old);
void upgrade_topk(OldNode& old);

// upgrade_layers.cc
void upgrade_dft(OldNode& old);
void upgrade_dropout(OldNode& old);
void upgrade_gemm(OldNode& old);
void upgrade_grid_sample(OldNode& old);
void upgrade_lp_pool(OldNode& old);    // GlobalLpPool, LpPool
void upgrade_recurrent(OldNode& old);  // GRU, LSTM, RNN
void upgrade_roi_align(OldNode& old);

// upgrade_normalization.cc
void upgrade_batch_normalization(OldNode& old);
void upgrade_group_normalization(OldNode& old);

// upgrade_resize.cc
void upgrade_resize(OldNode& old);
void upgrade_upsample(OldNode& old);

// upgrade_scan.cc
void upgrade_scan(OldNode& old);

// upgrade_ml.cc
void upgrade_label_encoder(OldNode& old);

}  // namespace oag
