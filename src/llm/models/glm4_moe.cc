// GLM-4.5, GLM-4.5-Air: mixtures of experts after the first layers, with biases on q, k and v and, in some
// sizes, an RMS norm over each head of q and k. Half of each head is rotated, in pairs of halves.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_glm4_moe(const TextConfig& config, const Weights& weights) {
  DecoderGraph g(config, weights);
  const bool head_norms = weights.has("blk.0.attn_q_norm.weight");
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    DecoderGraph::Projections heads = g.project(i, g.norm(i, "attn_norm", x));
    if (head_norms) heads = g.norm_heads(i, heads);
    x = g.add(x, g.attention(i, heads));
    const ValueId normed = g.norm(i, "post_attention_norm", x);
    const bool is_dense = i < config.experts.dense_layers || config.experts.count == 0;
    x = g.add(x, is_dense ? g.feed_forward(i, normed) : g.expert_feed_forward(i, normed));
  }
  return g.finish(x);
}

RopePairing gguf_pairing(const TextConfig&) {
  return RopePairing::kHalf;
}

constexpr NameRule kNames[] = {
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.mlp.shared_experts.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"layers.{}.mlp.shared_experts.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mlp.shared_experts.down_proj", "blk.{}.ffn_down_shexp"},
    {"layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps.{}"},
    {"layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps.{}"},
    {"layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps.{}"},
};

constexpr HuggingFaceType kTypes[] = {{.model_type = "glm4_moe",
                                       .names = {"model.", kNames, kDecoderNames},
                                       .rope_pairing = RopePairing::kHalf,
                                       .partial_rotary = 0.5}};

}  // namespace

extern constinit const Architecture kGlm4Moe = {
    "glm4moe", "GLM-4.5, GLM-4.5-Air", build_glm4_moe, gguf_pairing, kTypes, true};

}  // namespace oag
