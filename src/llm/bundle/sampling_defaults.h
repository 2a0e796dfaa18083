#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/formats/gguf/gguf_metadata.h"

namespace oag {

// How a model's makers want its tokens drawn, as far as they say so: in generation_config.json, or in the
// keys general.sampling.* of a GGUF file, as llama.cpp's converter writes them. A value that is none, or out
// of range, is left out with a warning in the log: not every use of a model needs it.
struct SamplingDefaults {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;  // 0: all

  bool operator==(const SamplingDefaults&) const = default;
};

// `where` names the file in warnings. do_sample: false is a temperature of 0.
SamplingDefaults read_generation_config(const Json& config, const std::string& where);
SamplingDefaults read_sampling_keys(const GgufMetadata& metadata);

// The reverse; nothing for what is not set.
Json generation_config_json(const SamplingDefaults& defaults);
std::vector<GgufMetadata::Entry> sampling_keys(const SamplingDefaults& defaults);

}  // namespace oag
