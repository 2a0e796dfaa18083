#pragma once

#include <filesystem>
#include <memory>

#include "llm/bundle/bundle.h"

namespace oag {

// load_bundle, load_tokenizer and describe_model for a Hugging Face folder.
ModelBundle load_hugging_face_bundle(const std::filesystem::path& folder);
std::shared_ptr<const Tokenizer> load_hugging_face_tokenizer(const std::filesystem::path& folder);
ModelDescription describe_hugging_face(const std::filesystem::path& folder);

}  // namespace oag
