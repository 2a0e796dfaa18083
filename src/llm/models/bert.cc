#include "llm/models/bert.h"

#include <cmath>

#include "base/error.h"
#include "engine/tensor/block_format.h"
#include "llm/models/config_reader.h"
#include "llm/models/graph_pieces.h"
#include "llm/models/text_config.h"

namespace oag {
namespace {

constexpr NameRule kRules[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
    {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
    {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
    {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
    {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
    {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
    {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
    {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"},
    {"embeddings.position_ids", ""},
    {"pooler.dense", ""},
};
constexpr NameTable kNames = {"", kRules};

class EncoderGraph : GraphPieces {
 public:
  EncoderGraph(const EncoderConfig& config, const Weights& weights)
      : GraphPieces(weights, "bert"), config_(config) {}

  Graph build() {
    const ValueType indices = ValueType::tensor(DType::kI32, Shape{Dim::symbol("T")});
    const ValueId ids = graph_.add_input("token_ids", indices), at = graph_.add_input("positions", indices);
    ValueId x = add(rows_of("token_embd.weight", config_.vocab_size, ids),
                    rows_of("position_embd.weight", config_.positions, at));
    x = norm("token_embd_norm", add(x, first_token_type()));
    for (int64_t i = 0; i < config_.layers; ++i) x = layer(i, x);
    graph_.outputs = {x};
    return std::move(graph_);
  }

 private:
  ValueId add(ValueId a, ValueId b) { return graph_.add("", "Add", {a, b}); }

  ValueId rows_of(const char* tensor, int64_t rows, ValueId indices) {
    const ValueId table = weight(tensor, {rows, config_.hidden_size});
    const ValueId found = graph_.add("", "Gather", {table, indices}, {}, tensor);
    const DType stored = graph_.value(table).type.dtype;
    if (stored == DType::kF32 || is_block_format(stored)) return found;
    return graph_.add("", "Cast", {found}, {{"to", int64_t{1}}});
  }

  ValueId first_token_type() {
    const Tensor all = weights_.get("token_types.weight", {config_.token_types, config_.hidden_size});
    const Tensor first(all.dtype(), {config_.hidden_size}, all.buffer());
    return vector("token_types.0", first);
  }

  ValueId norm(const std::string& tensor, ValueId x) {
    const auto part = [&](const char* ending) {
      return vector(tensor + ending, weights_.get(tensor + ending, {config_.hidden_size}));
    };
    return graph_.add("", "LayerNormalization", {x, part(".weight"), part(".bias")},
                      {{"axis", int64_t{-1}}, {"epsilon", config_.epsilon}});
  }

  // Norms stand behind the branches' sums.
  ValueId layer(int64_t i, ValueId x) {
    const int64_t hidden = config_.hidden_size;
    const auto name = [&](const char* part) { return layer_tensor("blk", i, part); };
    const auto heads = [&](const char* part) {
      return reshape(linear(x, name(part), hidden, hidden), {1, -1, hidden});
    };
    const float scale = 1.0f / std::sqrt(static_cast<float>(hidden / config_.heads));
    const ValueId attended =
        graph_.add("", "Attention", {heads("attn_q"), heads("attn_k"), heads("attn_v")},
                   {{"q_num_heads", config_.heads}, {"kv_num_heads", config_.heads}, {"scale", scale}},
                   name("attention"));
    const ValueId branch = linear(reshape(attended, {-1, hidden}), name("attn_output"), hidden, hidden);
    x = norm(name("attn_output_norm"), add(x, branch));
    const ValueId wide = graph_.add("", "Gelu", {linear(x, name("ffn_up"), config_.ffn_size, hidden)});
    return norm(name("layer_output_norm"), add(x, linear(wide, name("ffn_down"), hidden, config_.ffn_size)));
  }

  const EncoderConfig& config_;
};

}  // namespace

bool is_encoder(const Json& config) {
  const auto type = config.find("model_type");
  return type != config.end() && *type == "bert";
}

EncoderConfig read_encoder_config(const Json& json, std::string_view where) {
  const ConfigReader config(json, where);
  if (!is_encoder(json)) {
    fail(ErrorCode::kUnsupported, where, "model_type \"{}\" is no text encoder that is known; known: bert",
         config.find_text("model_type").value_or("").substr(0, 64));
  }
  refuse_quantised(config);
  const auto only = [&](std::string_view key, std::string_view known) {
    const auto seen = config.find_text(key);
    if (seen && *seen != known)
      config.unsupported(key, fmt::format("is \"{}\", known: {}", seen->substr(0, 64), known));
  };
  only("hidden_act", "gelu");
  only("position_embedding_type", "absolute");
  if (config.find_bool("is_decoder").value_or(false))
    config.unsupported("is_decoder", "is true, which is a variant that is not supported");
  EncoderConfig result;
  result.hidden_size = config.size("hidden_size", kMaxWidth);
  result.layers = config.size("num_hidden_layers", kMaxLayers);
  result.heads = config.size("num_attention_heads", kMaxWidth);
  result.ffn_size = config.size("intermediate_size", kMaxWidth);
  result.vocab_size = config.size("vocab_size", kMaxWidth);
  result.positions = config.size("max_position_embeddings", kMaxWidth);
  result.token_types = config.size("type_vocab_size", kMaxWidth);
  result.epsilon = static_cast<float>(config.number("layer_norm_eps", 1e-12));
  if (result.hidden_size % result.heads != 0) {
    config.refuse("num_attention_heads", fmt::format("is {}, which does not divide hidden_size {}",
                                                     result.heads, result.hidden_size));
  }
  if (!(result.epsilon > 0) || !std::isfinite(result.epsilon))
    config.refuse("layer_norm_eps", "is not above 0");
  return result;
}

Weights::Naming encoder_naming(const EncoderConfig& config) {
  return {kNames, "bert", config.layers, std::nullopt};
}

Graph build_encoder(const EncoderConfig& config, const Weights& weights) {
  return EncoderGraph(config, weights).build();
}

}  // namespace oag
