#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"
#include "llm/models/rope.h"

namespace oag {

// Positions of a token with M-RoPE: time, height, width.
inline constexpr int64_t kRopeAxes = 3;

// The number that GGUF files give a routing by sigmoid scores (gguf-py's ExpertGatingFuncType), the only one
// that is known.
inline constexpr int64_t kSigmoidGating = 2;

// A mixture of experts: which layers have it, and how a token's experts are chosen and weighed.
struct ExpertConfig {
  int64_t count = 0;         // experts of a layer; 0: the model has no such layers
  int64_t used = 0;          // that a token goes through
  int64_t ffn_size = 0;      // of each
  int64_t shared = 0;        // experts, joined in one, that every token goes through
  int64_t dense_layers = 0;  // the first layers, which have none
  int64_t groups = 1;        // experts are chosen from the best groups alone
  int64_t groups_used = 1;
  double scale = 1;    // of the chosen experts' weights
  bool normed = true;  // their weights are divided by their sum
};

// The numbers that shape a decoder-only language model.
struct TextConfig {
  std::string architecture;  // GGUF's general.architecture
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_size = 0;
  int64_t ffn_size = 0;
  int64_t vocab_size = 0;
  int64_t token_count = 0;  // ids that the tokenizer has; further rows of the head only pad it. 0: vocab_size
  int64_t context_tokens = 0;  // that the model was trained for
  float rms_epsilon = 1e-5f;
  double rope_theta = 10000.0;
  int64_t rope_dims = 0;                          // rotated elements per head
  RopePairing rope_pairing = RopePairing::kHalf;  // as the source of the weights orders q and k rows
  std::vector<int64_t> rope_sections;  // M-RoPE: frequencies of each axis of positions; empty: one axis
  RopeScaling rope_scaling;
  ExpertConfig experts;
  bool takes_images = false;          // rows of a vision tower may replace embeddings
  int64_t attention_window = 0;       // tokens that a token sees, itself included; 0: all before it
  std::vector<bool> windowed_layers;  // which layers have the window; empty: all

  int64_t window_of(int64_t layer) const {
    return windowed_layers.empty() || windowed_layers[static_cast<size_t>(layer)] ? attention_window : 0;
  }
};

// Reads the keys that all families share; the family sets rope_pairing. Errors: kCorruptData or kUnsupported
// naming the key, when a number is missing, zero, absurd or contradicts another.
TextConfig read_text_config(const GgufMetadata& metadata);

// What is absurd in a model of any source.
inline constexpr int64_t kMaxLayers = 4096;
inline constexpr int64_t kMaxWidth = int64_t{1} << 24;
inline constexpr int64_t kMaxExperts = 4096;
inline constexpr int64_t kMaxContext = int64_t{1} << 31;

// Refuses numbers that contradict each other, whatever their source. Errors: kCorruptData.
void check_text_config(const TextConfig& config, std::string_view where);

}  // namespace oag
