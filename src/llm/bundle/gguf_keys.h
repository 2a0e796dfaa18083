#pragma once

#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"
#include "llm/bundle/bundle.h"

namespace oag {

// All tokens that end an answer, where these are more than eos, eot and eom: i32. Our own key, which other
// engines do not read.
constexpr std::string_view kEndIdsKey = "openautoglm.end_token_ids";

// The keys of a GGUF file that say what a bundle says, but for general.file_type: those of llama.cpp's
// converter, in its order. Errors: kUnsupported for what GGUF has no key for.
std::vector<GgufMetadata::Entry> gguf_text_keys(const ModelBundle& bundle);

// The tokens that end an answer and for which there is no key but kEndIdsKey; none: the file does without it.
std::vector<TokenId> further_end_ids(const Tokenizer& tokenizer);

// The same as gguf_text_keys for its vision tower (clip.*).
std::vector<GgufMetadata::Entry> gguf_vision_keys(const ModelBundle& bundle);

// What a Llama-3 rope scaling divides each frequency by, as GGUF stores it (rope_freqs.weight); empty for
// another scaling.
std::vector<float> llama3_divisors(const TextConfig& config);

}  // namespace oag
