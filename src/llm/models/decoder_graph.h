#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/graph/graph.h"
#include "llm/models/text_config.h"
#include "llm/models/weights.h"

namespace oag {

// Builds the graph of a decoder-only language model over a ragged batch, piece by piece. Every family is a
// sequence of these pieces; the file of the family says which.
//
// Graph inputs: token_ids [T] i32, positions [T] i32, output_rows [R] i32 (the tokens whose logits are
// wanted), then one state a layer, kv.<layer>. Outputs: logits [R, vocab] f32, then the states.
class DecoderGraph {
 public:
  DecoderGraph(const TextConfig& config, const Weights& weights, RopePairing pairing);

  ValueId embed();  // token_embd.weight -> [T, hidden]
  ValueId rms_norm(ValueId x, std::string_view tensor, int64_t width);
  // y = x · wᵀ + b; the bias (tensor name with "bias" for "weight") is used when the file has it.
  ValueId linear(ValueId x, const std::string& tensor, int64_t outputs, int64_t inputs);
  ValueId add(ValueId a, ValueId b) { return graph_.add("", "Add", {a, b}); }
  // Splits the last dim into parts of these sizes.
  std::vector<ValueId> split(ValueId x, const std::vector<int64_t>& sizes);
  // q [T, heads * d], k and v [T, kv_heads * d] -> attention output [T, heads * d]: rotates q and k, updates
  // kv.<layer>.
  ValueId attention(int64_t layer, ValueId q, ValueId k, ValueId v);
  // RMS norm of each head of x [T, heads * d].
  ValueId head_norm(ValueId x, int64_t heads, const std::string& tensor);
  ValueId swiglu(ValueId gate, ValueId up);
  // Final norm, head (output.weight, or the embedding when tied) and logits of the wanted rows; ends the
  // graph.
  Graph finish(ValueId x);

 private:
  ValueId weight(std::string_view name, const Dims& dims) { return constant(name, weights_.get(name, dims)); }
  ValueId constant(std::string_view name, Tensor tensor);
  // A norm weight or bias as f32, whatever it is stored in.
  ValueId vector(std::string_view name, Tensor tensor);
  ValueId rotate(ValueId x, int64_t heads);
  ValueId reshape(ValueId x, std::vector<int64_t> dims);
  void make_rotary_table();

  const TextConfig& config_;
  const Weights& weights_;
  const RopePairing pairing_;
  Graph graph_;
  ValueId token_ids_, positions_, output_rows_;
  ValueId cos_ = kNoValue, sin_ = kNoValue;
  std::vector<ValueId> states_out_;
};

// "blk.<layer>.<suffix>"
std::string block_tensor(int64_t layer, std::string_view suffix);

}  // namespace oag
