// Qwen2 and Qwen2.5 (biases on q, k, v) and Qwen3 (an RMS norm over each head of q and k before the
// rotation).
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_qwen(const TextConfig& config, const Weights& weights, bool head_norms) {
  DecoderGraph g(config, weights);
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    DecoderGraph::Projections heads = g.project(i, g.norm(i, "attn_norm", x));
    if (head_norms) heads = g.norm_heads(i, heads);
    x = g.add(x, g.attention(i, heads));
    x = g.add(x, g.feed_forward(i, g.norm(i, "ffn_norm", x)));
  }
  return g.finish(x);
}

Graph build_qwen2(const TextConfig& config, const Weights& weights) {
  return build_qwen(config, weights, false);
}
Graph build_qwen3(const TextConfig& config, const Weights& weights) {
  return build_qwen(config, weights, true);
}

RopePairing gguf_pairing(const TextConfig&) {
  return RopePairing::kHalf;
}

constexpr NameRule kNames[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output", true},
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
    // Qwen3 alone:
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
};
constexpr std::span<const NameRule> kQwen2Names = std::span(kNames).first(std::size(kNames) - 2);

constexpr HuggingFaceType kQwen2Types[] = {{.model_type = "qwen2",
                                            .names = {"model.", kQwen2Names},
                                            .rope_pairing = RopePairing::kHalf,
                                            .window = HuggingFaceWindow::kLayerTypes}};
constexpr HuggingFaceType kQwen3Types[] = {{.model_type = "qwen3",
                                            .names = {"model.", kNames},
                                            .rope_pairing = RopePairing::kHalf,
                                            .window = HuggingFaceWindow::kLayerTypes}};

}  // namespace

extern constinit const Architecture kQwen2 = {"qwen2", "Qwen2, Qwen2.5", build_qwen2, gguf_pairing,
                                              kQwen2Types};
extern constinit const Architecture kQwen3 = {"qwen3", "Qwen3", build_qwen3, gguf_pairing, kQwen3Types};

}  // namespace oag
