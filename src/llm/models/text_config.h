#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"

namespace oag {

// How rotary embedding pairs the elements of a head.
enum class RopePairing {
  kHalf,         // (j, j + R/2)
  kInterleaved,  // (2j, 2j + 1)
};

// Positions of a token with M-RoPE: time, height, width.
inline constexpr int64_t kRopeAxes = 3;

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
  int64_t rope_dims = 0;  // rotated elements per head
  // M-RoPE: how many frequencies follow the position in time, height and width; together rope_dims / 2.
  // Empty: all follow one position. Such a file's q and k rows are ordered for half pairing.
  std::vector<int64_t> rope_sections;
  bool takes_images = false;        // rows of a vision tower may replace embeddings
  int64_t attention_window = 0;     // tokens that a token sees, itself included; 0: all before it
  double rope_linear_factor = 1.0;  // positions are divided by it
};

// Reads the keys that all families share; `{a}.` below is the architecture. Errors: kCorruptData or
// kUnsupported naming the key, when a number is missing, zero, absurd or contradicts another.
TextConfig read_text_config(const GgufMetadata& metadata);

}  // namespace oag
