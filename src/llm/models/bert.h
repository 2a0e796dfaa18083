#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "engine/graph/graph.h"
#include "llm/models/weights.h"

namespace oag {

// The numbers that shape a BERT encoder.
struct EncoderConfig {
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t ffn_size = 0;
  int64_t vocab_size = 0;
  int64_t positions = 0;    // the most tokens of a text
  int64_t token_types = 0;  // the first is every token's
  float epsilon = 1e-12f;
};

// Whether a config.json is that of an encoder that this engine knows.
bool is_encoder(const Json& config);

// Errors: kCorruptData or kUnsupported naming the key, for another kind of model or variant as well.
EncoderConfig read_encoder_config(const Json& config, std::string_view where);

// How Hugging Face names an encoder's tensors.
Weights::Naming encoder_naming(const EncoderConfig& config);

// The graph of one text: inputs token_ids and positions [T] i32, output the last layer's rows [T, hidden]
// f32. Source: Devlin et al. 2019. Errors: those of Weights.
Graph build_encoder(const EncoderConfig& config, const Weights& weights);

}  // namespace oag
