// Qwen2 and Qwen2.5 (biases on q, k, v) and Qwen3 (an RMS norm over each head of q and k before the
// rotation).
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_qwen(const TextConfig& config, const Weights& weights, bool head_norms) {
  DecoderGraph g(config, weights, RopePairing::kHalf);
  const int64_t hidden = config.hidden_size, kv = config.kv_heads * config.head_size,
                q_size = config.heads * config.head_size;
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto name = [i](std::string_view suffix) { return block_tensor(i, suffix); };
    const ValueId a = g.rms_norm(x, name("attn_norm.weight"), hidden);
    ValueId q = g.linear(a, name("attn_q"), q_size, hidden);
    ValueId k = g.linear(a, name("attn_k"), kv, hidden);
    const ValueId v = g.linear(a, name("attn_v"), kv, hidden);
    if (head_norms) {
      q = g.head_norm(q, config.heads, name("attn_q_norm.weight"));
      k = g.head_norm(k, config.kv_heads, name("attn_k_norm.weight"));
    }
    x = g.add(x, g.linear(g.attention(i, q, k, v), name("attn_output"), hidden, q_size));
    const ValueId m = g.rms_norm(x, name("ffn_norm.weight"), hidden);
    const ValueId gate = g.linear(m, name("ffn_gate"), config.ffn_size, hidden);
    const ValueId up = g.linear(m, name("ffn_up"), config.ffn_size, hidden);
    x = g.add(x, g.linear(g.swiglu(gate, up), name("ffn_down"), hidden, config.ffn_size));
  }
  return g.finish(x);
}

Graph build_qwen2(const TextConfig& config, const Weights& weights) {
  return build_qwen(config, weights, false);
}
Graph build_qwen3(const TextConfig& config, const Weights& weights) {
  return build_qwen(config, weights, true);
}

}  // namespace

extern constinit const Architecture kQwen2 = {"qwen2", "Qwen2, Qwen2.5", build_qwen2};
extern constinit const Architecture kQwen3 = {"qwen3", "Qwen3", build_qwen3};

}  // namespace oag
