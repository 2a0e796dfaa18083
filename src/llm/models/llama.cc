// Llama, SmolLM2 and other models of their shape. GGUF stores q and k rows permuted for interleaved rotary
// pairing.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_llama(const TextConfig& config, const Weights& weights) {
  DecoderGraph g(config, weights, RopePairing::kInterleaved);
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    x = g.add(x, g.attention(i, g.project(i, g.norm(i, "attn_norm", x))));
    x = g.add(x, g.feed_forward(i, g.norm(i, "ffn_norm", x)));
  }
  return g.finish(x);
}

}  // namespace

extern constinit const Architecture kLlama = {"llama", "Llama, SmolLM2", build_llama};

}  // namespace oag
