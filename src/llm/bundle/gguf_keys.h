#pragma once

#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"
#include "llm/bundle/bundle.h"

namespace oag {

// The keys of a GGUF file that say what a bundle says, but for general.file_type: those of llama.cpp's
// converter, in its order. Errors: kUnsupported for what GGUF has no key for.
std::vector<GgufMetadata::Entry> gguf_text_keys(const ModelBundle& bundle);

// The same for its vision tower (clip.*).
std::vector<GgufMetadata::Entry> gguf_vision_keys(const ModelBundle& bundle);

// What a Llama-3 rope scaling divides each frequency by, as GGUF stores it (rope_freqs.weight); empty for
// another scaling.
std::vector<float> llama3_divisors(const TextConfig& config);

}  // namespace oag
