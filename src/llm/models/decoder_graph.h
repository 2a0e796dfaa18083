#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "llm/models/graph_pieces.h"
#include "llm/models/text_config.h"

namespace oag {

// How many of the best next tokens a graph can give for a token.
inline constexpr int64_t kMostRanked = 64;

// Builds the graph of a decoder-only language model over a ragged batch, piece by piece. Every family is a
// sequence of these pieces; the file of the family says which.
//
// Graph inputs: token_ids [T] i32, positions [T] i32 (with M-RoPE [3, T]: time, height, width), output_rows
// [R] i32 (the tokens whose logits are wanted), ranked_rows [B] i32 (those of which only the best next tokens
// are wanted), ranked_wanted [B] i32 (how many), ranked_margins [B] f32 (how far below the best one); where
// config.takes_images, image_rows [I, hidden] f32 and image_tokens [I, 1] i64 (the tokens whose embeddings
// they replace); then one state a layer, kv.<layer>.
// Outputs: logits [R, vocab] f32, ranked_values [B, kMostRanked] f32, ranked_ids [B, kMostRanked] i32, then
// the states. oag.RankedLinear says what ranked means.
class DecoderGraph : GraphPieces {
 public:
  DecoderGraph(const TextConfig& config, const Weights& weights);

  // What attention works on: q [T, heads * d], k and v [T, kv_heads * d].
  struct Projections {
    ValueId q, k, v;
  };

  // How a file stores the two halves of a gated feed-forward network.
  enum class GateStorage {
    kSeparate,  // ffn_gate and ffn_up
    kInUp,      // ffn_up holds both, the gate's rows first
  };

  // Pieces of the tensors blk.<layer>.<name>; x and results are [T, hidden] where nothing else is said.
  ValueId embed();                                                // of token_embd.weight
  ValueId norm(int64_t layer, std::string_view name, ValueId x);  // RMS norm
  // attn_q, attn_k and attn_v, or attn_qkv where the file has them in one; with biases where it has them.
  Projections project(int64_t layer, ValueId x);
  // RMS norm of each head, attn_q_norm and attn_k_norm.
  Projections norm_heads(int64_t layer, const Projections& x);
  // Rotates q and k, stores k and v in kv.<layer>, attends, and projects with attn_output.
  ValueId attention(int64_t layer, const Projections& x);
  // ffn_down · (SiLU(gate · x) * (up · x)).
  ValueId feed_forward(int64_t layer, ValueId x, GateStorage storage = GateStorage::kSeparate);
  // The sum of the experts that each token goes through, and of the shared one: ffn_gate_inp, exp_probs_b,
  // ffn_{gate,up,down}_exps and ffn_{gate,up,down}_shexp.
  ValueId expert_feed_forward(int64_t layer, ValueId x);
  ValueId add(ValueId a, ValueId b) { return graph_.add("", "Add", {a, b}); }
  // Final norm, head (output.weight, or the embedding when tied) and logits of the wanted rows; ends the
  // graph.
  Graph finish(ValueId x);

 private:
  int64_t q_size() const { return config_.heads * config_.head_size; }
  int64_t kv_size() const { return config_.kv_heads * config_.head_size; }

  // Tensors <name><suffix> of a layer.
  ValueId gated_feed_forward(int64_t layer, ValueId x, int64_t width, std::string_view suffix);
  // A token's experts [T, used] i64 and their weights [T, used].
  struct Routing {
    ValueId experts, weights;
  };
  Routing route(int64_t layer, ValueId x);
  ValueId keep_best_groups(ValueId scores);
  ValueId top(ValueId x, int64_t count, size_t output);
  ValueId expert_linear(ValueId x, ValueId experts, const std::string& tensor, int64_t outputs,
                        int64_t inputs);
  ValueId scalar(std::string_view name, float value);
  ValueId head_norm(ValueId x, int64_t heads, const std::string& tensor);
  // The rows of x that a graph input names, after the final norm.
  ValueId normed_rows(ValueId x, ValueId rows, std::string_view name);
  ValueId rotate(ValueId x, int64_t heads);
  std::vector<float> rotary_frequencies() const;
  ValueId positions_by_frequency();
  void make_rotary_table();

  const TextConfig& config_;
  ValueId token_ids_, positions_, output_rows_, ranked_rows_, ranked_wanted_, ranked_margins_;
  ValueId image_rows_ = kNoValue, image_tokens_ = kNoValue;
  ValueId cos_ = kNoValue, sin_ = kNoValue;
  std::vector<ValueId> states_out_;
};

}  // namespace oag
