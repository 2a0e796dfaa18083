#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/models/architecture.h"
#include "llm/models/text_config.h"

namespace oag {

// What a config.json says of the text part of a model.
struct HuggingFaceConfig {
  HuggingFaceFamily family;
  TextConfig text;                // vocab_size included
  std::optional<bool> tied_head;  // tie_word_embeddings
  bool has_vision = false;        // there is a vision_config
};

// Reads config.json of a folder: keys at the top or in text_config, rope in its old layout (rope_theta,
// rope_scaling, partial_rotary_factor) or the new one (rope_parameters). Errors: kCorruptData or kUnsupported
// naming the key: a number that is missing, absurd or contradicts another; another model_type, activation,
// norm, rope variant; quantised weights.
HuggingFaceConfig read_hugging_face_config(const Json& config, std::string_view where);

}  // namespace oag
