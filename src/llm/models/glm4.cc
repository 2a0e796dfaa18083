// GLM-4-0414 (norms before and after each branch) and ChatGLM3 / GLM-4-9B (norms before, q, k and v in one
// tensor), GLM-4.1V's language model among them. Both rotate a part of each head, in interleaved pairs (half
// pairs in files with M-RoPE sections), and store gate and up projections in one tensor, gate first.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_glm(const TextConfig& config, const Weights& weights, bool norms_after) {
  DecoderGraph g(config, weights,
                 config.rope_sections.empty() ? RopePairing::kInterleaved : RopePairing::kHalf);
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

}  // namespace

extern constinit const Architecture kGlm4 = {"glm4", "GLM-4-0414", build_glm4};
extern constinit const Architecture kChatGlm = {"chatglm", "ChatGLM3, GLM-4-9B", build_chatglm};

}  // namespace oag
