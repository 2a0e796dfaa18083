#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "llm/bundle/bundle.h"
#include "llm/models/architecture.h"

namespace oag {

// A small file of a Hugging Face folder.
struct SmallFile {
  std::string name;
  std::string text;
};

// The type of Hugging Face folder that a model of a GGUF file becomes. Errors: kUnsupported.
const HuggingFaceType& hugging_face_type_of(const ModelBundle& bundle);

// What stands beside the weights of a model that comes from a GGUF file: config.json, tokenizer.json,
// tokenizer_config.json, generation_config.json, and where there is one the chat template and the
// preprocessor's numbers. `dtype` is what most weights are stored as. Errors: kUnsupported for what
// config.json or tokenizer.json have no words for.
std::vector<SmallFile> hugging_face_files(const ModelBundle& bundle, DType dtype);

// Those of a Hugging Face folder as they are, with config.json naming `dtype`.
std::vector<SmallFile> copied_hugging_face_files(const std::filesystem::path& folder, DType dtype);

}  // namespace oag
