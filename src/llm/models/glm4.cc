// GLM-4-0414 (norms before and after each branch) and ChatGLM3 / GLM-4-9B (norms before, q, k and v in one
// tensor), also as ChatGLM's own code names them. All rotate a part of each head, in interleaved pairs, and
// store gate and up projections in one tensor, gate first. The text part of GLM-4.1V is GLM-4-0414 with
// M-RoPE sections, whose three axes agree on text; its GGUF files have q and k rows in the order of half
// pairs.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_glm(const TextConfig& config, const Weights& weights, bool norms_after) {
  DecoderGraph g(config, weights);
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    ValueId branch = g.attention(i, g.project(i, g.norm(i, "attn_norm", x)));
    if (norms_after) branch = g.norm(i, "post_attention_norm", branch);
    x = g.add(x, branch);
    branch = g.feed_forward(i, g.norm(i, "ffn_norm", x), DecoderGraph::GateStorage::kInUp);
    if (norms_after) branch = g.norm(i, "post_ffw_norm", branch);
    x = g.add(x, branch);
  }
  return g.finish(x);
}

Graph build_glm4(const TextConfig& config, const Weights& weights) {
  return build_glm(config, weights, true);
}
Graph build_chatglm(const TextConfig& config, const Weights& weights) {
  return build_glm(config, weights, false);
}

RopePairing glm4_gguf_pairing(const TextConfig& config) {
  return config.rope_sections.empty() ? RopePairing::kInterleaved : RopePairing::kHalf;
}
RopePairing chatglm_gguf_pairing(const TextConfig&) {
  return RopePairing::kInterleaved;
}

constexpr NameRule kGlm4Names[] = {
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
    // GLM-4-0414 alone:
    {"layers.{}.post_self_attn_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.post_mlp_layernorm", "blk.{}.post_ffw_norm"},
};
constexpr std::span<const NameRule> kGlmNames = std::span(kGlm4Names).first(2);
constexpr NameRule kChatGlmNames[] = {
    {"embedding.word_embeddings", "token_embd"},
    {"encoder.final_layernorm", "output_norm"},
    {"output_layer", "output"},
    {"encoder.layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"encoder.layers.{}.self_attention.query_key_value", "blk.{}.attn_qkv"},
    {"encoder.layers.{}.self_attention.dense", "blk.{}.attn_output"},
    {"encoder.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"encoder.layers.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"},
    {"encoder.layers.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"},
};

constexpr HuggingFaceType kGlm4Types[] = {
    {.model_type = "glm4",
     .names = {"model.", kGlm4Names, kDecoderNames},
     .rope_pairing = RopePairing::kInterleaved,
     .partial_rotary = 0.5},
    {.model_type = "glm4v",
     .names = {"model.language_model.", kGlm4Names, kDecoderNames},
     .rope_pairing = RopePairing::kInterleaved,
     .partial_rotary = 0.5},
};
constexpr HuggingFaceType kChatGlmTypes[] = {
    {.model_type = "glm",
     .names = {"model.", kGlmNames, kDecoderNames},
     .rope_pairing = RopePairing::kInterleaved,
     .partial_rotary = 0.5},
    {.model_type = "chatglm",
     .names = {"transformer.", kChatGlmNames},
     .rope_pairing = RopePairing::kInterleaved,
     .partial_rotary = 0.5,
     .keys = HuggingFaceKeys::kChatGlm},
};

}  // namespace

extern constinit const Architecture kGlm4 = {"glm4", "GLM-4-0414", build_glm4, glm4_gguf_pairing, kGlm4Types};
extern constinit const Architecture kChatGlm = {"chatglm", "ChatGLM3, GLM-4-9B", build_chatglm,
                                                chatglm_gguf_pairing, kChatGlmTypes};

}  // namespace oag
