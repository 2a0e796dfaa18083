#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor/dtype.h"
#include "engine/tensor/tensor.h"
#include "tests/support/tokenizer_fixture.h"

namespace oag::test {

// Writes a GGUF model with the SentencePiece vocabulary of a fixture (see tests/data/tokenizer) and the
// weights of the tiny llama, whose embedding table is lengthened to fit by repeating its first rows.
void write_sentencepiece_model(const Vocabulary& vocabulary, const std::filesystem::path& to);

// A tensor of a model file while it is written again.
struct StoredTensor {
  DType dtype;  // what it will be stored as
  Dims dims;
  std::vector<float> values;
};

// Writes the model `from` again, each tensor as `edit` leaves it.
void rewrite_model(const std::filesystem::path& from, const std::filesystem::path& to,
                   const std::function<void(const std::string& name, StoredTensor&)>& edit);

// Writes the tiny llama with a context of 2^30 tokens, whose cache no machine of today can hold.
void write_long_context_model(const std::filesystem::path& to);

}  // namespace oag::test
