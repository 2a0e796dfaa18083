#include "llm/models/decoder_graph.h"

#include <cmath>

#include "base/error.h"
#include "engine/tensor/block_format.h"

namespace oag {
namespace {

// "blk.<layer>.<name>"
std::string block_tensor(int64_t layer, std::string_view name) {
  return layer_tensor("blk", layer, name);
}

}  // namespace

DecoderGraph::DecoderGraph(const TextConfig& config, const Weights& weights)
    : GraphPieces(weights, config.architecture), config_(config) {
  const auto vector_of = [](DType dtype, const char* symbol) {
    return ValueType::tensor(dtype, Shape{Dim::symbol(symbol)});
  };
  const auto indices = [&](const char* symbol) { return vector_of(DType::kI32, symbol); };
  token_ids_ = graph_.add_input("token_ids", indices("T"));
  const ValueType axes = ValueType::tensor(DType::kI32, Shape{kRopeAxes, Dim::symbol("T")});
  positions_ = graph_.add_input("positions", config.rope_sections.empty() ? indices("T") : axes);
  output_rows_ = graph_.add_input("output_rows", indices("R"));
  ranked_rows_ = graph_.add_input("ranked_rows", indices("B"));
  ranked_wanted_ = graph_.add_input("ranked_wanted", indices("B"));
  ranked_margins_ = graph_.add_input("ranked_margins", vector_of(DType::kF32, "B"));
  if (config.takes_images) {
    const Dim rows = Dim::symbol("I");
    image_rows_ =
        graph_.add_input("image_rows", ValueType::tensor(DType::kF32, Shape{rows, config.hidden_size}));
    image_tokens_ = graph_.add_input("image_tokens", ValueType::tensor(DType::kI64, Shape{rows, 1}));
  }
  make_rotary_table();
}

// rope_freqs.weight holds divisors of the frequencies: how GGUF stores the scaling of Llama 3.
std::vector<float> DecoderGraph::rotary_frequencies() const {
  const int64_t half = config_.rope_dims / 2;
  std::vector<float> divisors;
  if (const auto stored = weights_.find("rope_freqs.weight", {half})) {
    divisors.resize(static_cast<size_t>(half));
    decode_blocks(stored->dtype(), stored->bytes(), divisors);
  }
  for (size_t j = 0; j < divisors.size(); ++j) {
    if (divisors[j] > 0 && std::isfinite(divisors[j])) continue;
    fail(ErrorCode::kCorruptData, weights_.where(),
         "tensor rope_freqs.weight: value {} is {}, expected above 0", j, divisors[j]);
  }
  return rope_frequencies(config_.rope_dims, config_.rope_theta, config_.rope_scaling, divisors);
}

// The position that each frequency counts, as f32: [T, 1] or, with M-RoPE, whose frequencies stand in
// sections for time, height, width and again from time on, [T, R/2]. Source: Qwen2-VL (Wang et al. 2024)
// section 2.1.
ValueId DecoderGraph::positions_by_frequency() {
  const ValueId position = graph_.add("", "Cast", {positions_}, {{"to", int64_t{1}}}, "rope.position");
  if (config_.rope_sections.empty())
    return graph_.add("", "Unsqueeze", {position, ints("axis.1", {1})}, {}, "rope.column");
  std::vector<int64_t> axes;
  for (size_t i = 0; i < config_.rope_sections.size(); ++i)
    axes.insert(axes.end(), static_cast<size_t>(config_.rope_sections[i]),
                static_cast<int64_t>(i) % kRopeAxes);
  const ValueId rows = graph_.add("", "Gather", {position, ints("rope.axes", axes)}, {{"axis", int64_t{0}}});
  return graph_.add("", "Transpose", {rows}, {{"perm", std::vector<int64_t>{1, 0}}}, "rope.columns");
}

// cos and sin of position · frequency, [1, T, R/2] each, computed once a run.
void DecoderGraph::make_rotary_table() {
  const ValueId inverse = constant(
      "rope.frequencies", Tensor::of<float>(DType::kF32, {1, config_.rope_dims / 2}, rotary_frequencies()));
  const ValueId angles = graph_.add("", "Mul", {positions_by_frequency(), inverse}, {}, "rope.angles");
  const auto table = [&](const char* op, const std::string& name) {
    ValueId values = graph_.add("", op, {angles}, {}, "rope." + name);
    if (const auto factor = static_cast<float>(config_.rope_scaling.attention_factor); factor != 1.0f) {
      const ValueId scale =
          constant("rope.attention_factor", Tensor::of<float>(DType::kF32, {1}, {&factor, 1}));
      values = graph_.add("", "Mul", {values, scale}, {}, "rope.scaled_" + name);
    }
    return graph_.add("", "Unsqueeze", {values, ints("axis.0", {0})}, {}, "rope." + name + "_table");
  };
  cos_ = table("Cos", "cos");
  sin_ = table("Sin", "sin");
}

ValueId DecoderGraph::embed() {
  const ValueId table = weight("token_embd.weight", {config_.vocab_size, config_.hidden_size});
  const DType stored = graph_.value(table).type.dtype;
  ValueId rows = graph_.add("", "Gather", {table, token_ids_}, {}, "embedding");
  if (stored != DType::kF32 && !is_block_format(stored))
    rows = graph_.add("", "Cast", {rows}, {{"to", int64_t{1}}}, "embedding.f32");
  if (!config_.takes_images) return rows;
  return graph_.add("", "ScatterND", {rows, image_tokens_, image_rows_}, {}, "embedding.images");
}

ValueId DecoderGraph::norm(int64_t layer, std::string_view name, ValueId x) {
  return rms_norm(x, block_tensor(layer, name) + ".weight", config_.hidden_size, config_.rms_epsilon);
}

DecoderGraph::Projections DecoderGraph::project(int64_t layer, ValueId x) {
  const int64_t hidden = config_.hidden_size;
  const std::string fused = block_tensor(layer, "attn_qkv");
  if (weights_.has(fused + ".weight")) {
    const ValueId qkv = linear(x, fused, q_size() + 2 * kv_size(), hidden);
    const std::vector<ValueId> parts = split(qkv, {q_size(), kv_size(), kv_size()});
    return {parts[0], parts[1], parts[2]};
  }
  return {linear(x, block_tensor(layer, "attn_q"), q_size(), hidden),
          linear(x, block_tensor(layer, "attn_k"), kv_size(), hidden),
          linear(x, block_tensor(layer, "attn_v"), kv_size(), hidden)};
}

DecoderGraph::Projections DecoderGraph::norm_heads(int64_t layer, const Projections& x) {
  return {head_norm(x.q, config_.heads, block_tensor(layer, "attn_q_norm.weight")),
          head_norm(x.k, config_.kv_heads, block_tensor(layer, "attn_k_norm.weight")), x.v};
}

ValueId DecoderGraph::head_norm(ValueId x, int64_t heads, const std::string& tensor) {
  const ValueId by_head = reshape(x, {-1, heads, config_.head_size});
  return reshape(rms_norm(by_head, tensor, config_.head_size, config_.rms_epsilon),
                 {-1, heads * config_.head_size});
}

ValueId DecoderGraph::rotate(ValueId x, int64_t heads) {
  const ValueId batched = reshape(x, {1, -1, heads * config_.head_size});
  Attributes attributes = {{"interleaved", int64_t{config_.rope_pairing == RopePairing::kInterleaved}},
                           {"num_heads", heads}};
  if (config_.rope_dims != config_.head_size) attributes.emplace("rotary_embedding_dim", config_.rope_dims);
  const ValueId rotated = graph_.add("", "RotaryEmbedding", {batched, cos_, sin_}, std::move(attributes));
  return reshape(rotated, {-1, heads, config_.head_size});
}

ValueId DecoderGraph::attention(int64_t layer, const Projections& x) {
  const std::string state_name = "kv." + std::to_string(layer);
  const ValueId state =
      graph_.add_input(state_name, {TypeKind::kState, DType::kUndefined, std::nullopt, nullptr});
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_size));
  Attributes attributes = {{"scale", scale}};
  if (const int64_t window = config_.window_of(layer); window > 0) attributes.emplace("window", window);
  const Node& node = graph_.add_node("oag", "CachedAttention",
                                     {rotate(x.q, config_.heads), rotate(x.k, config_.kv_heads),
                                      reshape(x.v, {-1, config_.kv_heads, config_.head_size}), state},
                                     std::move(attributes), 2, block_tensor(layer, "attention"));
  const ValueId out = node.outputs[0];
  states_out_.push_back(node.outputs[1]);
  return linear(reshape(out, {-1, q_size()}), block_tensor(layer, "attn_output"), config_.hidden_size,
                q_size());
}

ValueId DecoderGraph::feed_forward(int64_t layer, ValueId x, GateStorage storage) {
  const int64_t hidden = config_.hidden_size, width = config_.ffn_size;
  const std::string up_tensor = block_tensor(layer, "ffn_up");
  if (storage == GateStorage::kSeparate) return gated_feed_forward(layer, x, width, "");
  const std::vector<ValueId> halves = split(linear(x, up_tensor, 2 * width, hidden), {width, width});
  return linear(gated(halves[0], halves[1]), block_tensor(layer, "ffn_down"), hidden, width);
}

ValueId DecoderGraph::gated_feed_forward(int64_t layer, ValueId x, int64_t width, std::string_view suffix) {
  const auto tensor = [&](std::string_view name) { return block_tensor(layer, name) + std::string(suffix); };
  const ValueId gate = linear(x, tensor("ffn_gate"), width, config_.hidden_size);
  const ValueId up = linear(x, tensor("ffn_up"), width, config_.hidden_size);
  return linear(gated(gate, up), tensor("ffn_down"), config_.hidden_size, width);
}

ValueId DecoderGraph::normed_rows(ValueId x, ValueId rows, std::string_view name) {
  const ValueId wanted = graph_.add("", "Gather", {x, rows}, {{"axis", int64_t{0}}}, std::string(name));
  return rms_norm(wanted, "output_norm.weight", config_.hidden_size, config_.rms_epsilon);
}

Graph DecoderGraph::finish(ValueId x) {
  const ValueId wanted = normed_rows(x, output_rows_, "wanted_rows");
  const ValueId ranked = normed_rows(x, ranked_rows_, "ranked_rows_of_x");
  const std::string head = weights_.has("output.weight") ? "output" : "token_embd";
  const ValueId w = weight(head + ".weight", {config_.vocab_size, config_.hidden_size});
  auto stored_bias = weights_.find(head + ".bias", {config_.vocab_size});
  const ValueId bias = stored_bias ? vector(head + ".bias", *std::move(stored_bias)) : kNoValue;
  const int64_t limit = config_.token_count > 0 ? config_.token_count : config_.vocab_size;
  const Node& node =
      graph_.add_node("oag", "RankedLinear", {wanted, w, bias, ranked, ranked_wanted_, ranked_margins_},
                      {{"most", kMostRanked}, {"limit", limit}}, 3, head);
  graph_.outputs = node.outputs;
  graph_.outputs.insert(graph_.outputs.end(), states_out_.begin(), states_out_.end());
  return std::move(graph_);
}

}  // namespace oag
