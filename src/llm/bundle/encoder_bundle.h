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

  // Errors: those of Weights, also for tensors that the graph leaves out.
  Graph build_graph() const;
};

// Whether it is a folder whose config.json is that of a text encoder. What cannot be read is none.
bool is_encoder_folder(const std::filesystem::path& path);

// What modules.json says: the chain of modules that sentence-transformers runs.
struct EncoderModules {
  std::string pooling_folder;  // that holds a config.json; empty: none is named
  bool normalised = false;
};
// Errors: kUnsupported for another module, kCorruptData.
EncoderModules parse_encoder_modules(const Json& modules, std::string_view where);

// What the config.json of a pooling module says. Errors: kUnsupported for another pooling, kCorruptData.
Pooling parse_pooling(const Json& config, std::string_view where);

// Opens a Hugging Face folder of a BERT encoder: config.json, safetensors, tokenizer.json and what
// sentence-transformers puts beside them (modules.json, 1_Pooling/config.json, sentence_bert_config.json);
// without these, the mean of all rows, at length 1. Errors: those of SafetensorsFile::open and Weights;
// kUnsupported for other models, modules and poolings; kCorruptData.
std::shared_ptr<const EncoderBundle> load_encoder_bundle(const std::filesystem::path& folder);

}  // namespace oag
