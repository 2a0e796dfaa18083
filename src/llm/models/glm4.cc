// GLM-4-0414 (norms before and after each branch) and ChatGLM3 / GLM-4-9B (norms before, q, k and v in one
// tensor). Both rotate a part of each head, in interleaved pairs (half pairs in files with M-RoPE sections,
// whose three axes agree on text), and store gate and up projections in one tensor, gate first.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

struct Projections {
  ValueId q, k, v;
};

Projections project(DecoderGraph& g, const TextConfig& config, const Weights& weights, ValueId x,
                    int64_t layer) {
  const int64_t hidden = config.hidden_size, kv = config.kv_heads * config.head_size,
                q_size = config.heads * config.head_size;
  if (weights.has(block_tensor(layer, "attn_qkv.weight"))) {
    const ValueId qkv = g.linear(x, block_tensor(layer, "attn_qkv"), q_size + 2 * kv, hidden);
    const std::vector<ValueId> parts = g.split(qkv, {q_size, kv, kv});
    return {parts[0], parts[1], parts[2]};
  }
  return {g.linear(x, block_tensor(layer, "attn_q"), q_size, hidden),
          g.linear(x, block_tensor(layer, "attn_k"), kv, hidden),
          g.linear(x, block_tensor(layer, "attn_v"), kv, hidden)};
}

Graph build_glm(const TextConfig& config, const Weights& weights, bool norms_after) {
  DecoderGraph g(config, weights, config.rope_sections ? RopePairing::kHalf : RopePairing::kInterleaved);
  const int64_t hidden = config.hidden_size;
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto name = [i](std::string_view suffix) { return block_tensor(i, suffix); };
    const ValueId a = g.rms_norm(x, name("attn_norm.weight"), hidden);
    const auto [q, k, v] = project(g, config, weights, a, i);
    ValueId branch =
        g.linear(g.attention(i, q, k, v), name("attn_output"), hidden, config.heads * config.head_size);
    if (norms_after) branch = g.rms_norm(branch, name("post_attention_norm.weight"), hidden);
    x = g.add(x, branch);
    const ValueId m = g.rms_norm(x, name("ffn_norm.weight"), hidden);
    const std::vector<ValueId> halves =
        g.split(g.linear(m, name("ffn_up"), 2 * config.ffn_size, hidden), {config.ffn_size, config.ffn_size});
    branch = g.linear(g.swiglu(halves[0], halves[1]), name("ffn_down"), hidden, config.ffn_size);
    if (norms_after) branch = g.rms_norm(branch, name("post_ffw_norm.weight"), hidden);
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

}  // namespace

extern constinit const Architecture kGlm4 = {"glm4", "GLM-4-0414", build_glm4};
extern constinit const Architecture kChatGlm = {"chatglm", "ChatGLM3, GLM-4-9B", build_chatglm};

}  // namespace oag
