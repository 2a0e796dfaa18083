// Llama, SmolLM2 and other models of their shape. GGUF stores q and k rows permuted for interleaved rotary
// pairing.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_llama(const TextConfig& config, const Weights& weights) {
  DecoderGraph g(config, weights, RopePairing::kInterleaved);
  const int64_t hidden = config.hidden_size, kv = config.kv_heads * config.head_size,
                q_size = config.heads * config.head_size;
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto name = [i](std::string_view suffix) { return block_tensor(i, suffix); };
    const ValueId a = g.rms_norm(x, name("attn_norm.weight"), hidden);
    const ValueId q = g.linear(a, name("attn_q"), q_size, hidden);
    const ValueId k = g.linear(a, name("attn_k"), kv, hidden);
    const ValueId v = g.linear(a, name("attn_v"), kv, hidden);
    x = g.add(x, g.linear(g.attention(i, q, k, v), name("attn_output"), hidden, q_size));
    const ValueId m = g.rms_norm(x, name("ffn_norm.weight"), hidden);
    const ValueId gate = g.linear(m, name("ffn_gate"), config.ffn_size, hidden);
    const ValueId up = g.linear(m, name("ffn_up"), config.ffn_size, hidden);
    x = g.add(x, g.linear(g.swiglu(gate, up), name("ffn_down"), hidden, config.ffn_size));
  }
  return g.finish(x);
}

}  // namespace

extern constinit const Architecture kLlama = {"llama", "Llama, SmolLM2", build_llama};

}  // namespace oag
