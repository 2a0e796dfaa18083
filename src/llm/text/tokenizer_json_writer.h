#pragma once

#include <string>
#include <string_view>

#include "llm/text/tokenizer.h"

namespace oag {

// A tokenizer.json that gives the ids that `tokenizer` gives. Merges of a SentencePiece vocabulary that has
// scores alone are made of these. Errors: kUnsupported for a pre-tokenizer that has no tokenizer.json here
// and for tokens that are no text, naming `where`.
std::string write_tokenizer_json(const Tokenizer& tokenizer, std::string_view where);

}  // namespace oag
