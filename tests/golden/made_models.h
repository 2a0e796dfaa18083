#pragma once

#include <filesystem>

#include "tests/support/tokenizer_fixture.h"

namespace oag::test {

// Writes a GGUF model with the SentencePiece vocabulary of a fixture (see tests/data/tokenizer) and the
// weights of the tiny llama, whose embedding table is lengthened to fit by repeating its first rows.
void write_sentencepiece_model(const Vocabulary& vocabulary, const std::filesystem::path& to);

// Writes the tiny llama with a context of 2^30 tokens, whose cache no machine of today can hold.
void write_long_context_model(const std::filesystem::path& to);

}  // namespace oag::test
