#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "engine/formats/gguf/gguf_metadata.h"

namespace oag {

// The numbers that shape a vision tower of the GLM-4.1V kind.
struct VisionConfig {
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t output_size = 0;  // hidden size of the language model; also the width of the blocks' networks
  int64_t merger_ffn_size = 0;
  int64_t patch_size = 14;
  int64_t merge_size = 2;  // merge_size² patches become one row
  int64_t temporal_patch_size = 2;
  int64_t table_side = 0;  // learned positions: table_side² rows
  float epsilon = 1e-5f;   // of the RMS norms
  double rope_theta = 10000.0;

  int64_t head_size() const { return hidden_size / heads; }
  int64_t patch_values() const { return 3 * temporal_patch_size * patch_size * patch_size; }
};

// Reads clip.* of a GGUF file of a vision tower (mmproj). Errors: kUnsupported for another projector,
// kCorruptData for numbers that are missing, absurd or contradict each other.
VisionConfig read_vision_config(const GgufMetadata& metadata);

// The same from the vision_config of a Hugging Face folder's config.json.
VisionConfig read_vision_config(const Json& config, std::string_view where);

}  // namespace oag
