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
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    // Qwen3 alone:
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
};
constexpr std::span<const NameRule> kQwen2Names = std::span(kNames).first(std::size(kNames) - 2);

constexpr HuggingFaceType kQwen2Types[] = {{.model_type = "qwen2",
                                            .names = {"model.", kQwen2Names, kDecoderNames},
                                            .rope_pairing = RopePairing::kHalf,
                                            .window = HuggingFaceWindow::kLayerTypes}};
constexpr HuggingFaceType kQwen3Types[] = {{.model_type = "qwen3",
                                            .names = {"model.", kNames, kDecoderNames},
                                            .rope_pairing = RopePairing::kHalf,
                                            .window = HuggingFaceWindow::kLayerTypes}};

}  // namespace

extern constinit const Architecture kQwen2 = {"qwen2", "Qwen2, Qwen2.5", build_qwen2, gguf_pairing,
                                              kQwen2Types};
extern constinit const Architecture kQwen3 = {"qwen3", "Qwen3", build_qwen3, gguf_pairing, kQwen3Types};

}  // namespace oag
