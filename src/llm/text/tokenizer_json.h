#pragma once

#include <string_view>

#include "llm/text/vocabulary.h"

namespace oag {

// Reads a tokenizer.json (Hugging Face tokenizers 0.23 and earlier): byte-level BPE, and BPE over characters
// with byte fallback as SentencePiece has it. What its post-processor puts around a text becomes bos, eos,
// add_bos and add_eos. Errors: kCorruptData for data that contradicts itself or lacks its merges,
// kUnsupported naming the model, normalizer, pre-tokenizer or post-processor that is not known.
Vocabulary read_tokenizer_json(std::string_view text, std::string_view where);

}  // namespace oag
