#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "llm/models/bert.h"
#include "llm/text/tokenizer.h"

namespace oag {

// What becomes of the rows of a text's tokens.
enum class Pooling { kMean, kFirst };

// A text encoder as a folder states it.
struct EncoderBundle {
  std::filesystem::path path;
  std::shared_ptr<const Weights> weights;
  EncoderConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  Pooling pooling = Pooling::kMean;
  bool normalised = true;  // vectors have length 1
  int64_t max_tokens = 0;  // of a text, those around it included; longer ones are cut

  Graph build_graph() const { return build_encoder(config, *weights); }
};

// Opens a Hugging Face folder of a BERT encoder: config.json, safetensors, tokenizer.json and what
// sentence-transformers puts beside them (modules.json, 1_Pooling/config.json, sentence_bert_config.json);
// without these, the mean of all rows, at length 1. Errors: those of SafetensorsFile::open and Weights;
// kUnsupported for other models, modules and poolings; kCorruptData.
std::shared_ptr<const EncoderBundle> load_encoder_bundle(const std::filesystem::path& folder);

}  // namespace oag
