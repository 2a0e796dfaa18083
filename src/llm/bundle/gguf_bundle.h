#pragma once

#include <filesystem>

#include "llm/bundle/bundle.h"

namespace oag {

// load_bundle, load_tokenizer and describe_model for a GGUF file.
ModelBundle load_gguf_bundle(const std::filesystem::path& path);
ModelDescription describe_gguf(const std::filesystem::path& path);

}  // namespace oag
