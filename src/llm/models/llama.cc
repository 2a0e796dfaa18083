// Llama, SmolLM2 and other models of their shape. GGUF stores q and k rows permuted for interleaved rotary
// pairing.
#include "llm/models/architecture.h"
#include "llm/models/decoder_graph.h"

namespace oag {
namespace {

Graph build_llama(const TextConfig& config, const Weights& weights) {
  DecoderGraph g(config, weights);
  ValueId x = g.embed();
  for (int64_t i = 0; i < config.layers; ++i) {
    x = g.add(x, g.attention(i, g.project(i, g.norm(i, "attn_norm", x))));
    x = g.add(x, g.feed_forward(i, g.norm(i, "ffn_norm", x)));
  }
  return g.finish(x);
}

RopePairing gguf_pairing(const TextConfig&) {
  return RopePairing::kInterleaved;
}

constexpr NameRule kNames[] = {
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
};

constexpr HuggingFaceType kTypes[] = {
    {.model_type = "llama", .names = {"model.", kNames, kDecoderNames}, .rope_pairing = RopePairing::kHalf},
    {.model_type = "mistral",
     .names = {"model.", kNames, kDecoderNames},
     .rope_pairing = RopePairing::kHalf,
     .window = HuggingFaceWindow::kAllLayers},
};

}  // namespace

extern constinit const Architecture kLlama = {"llama", "Llama, SmolLM2", build_llama, gguf_pairing, kTypes};

}  // namespace oag
